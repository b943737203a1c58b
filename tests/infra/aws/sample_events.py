"""Events as AWS hands them to Lambda functions, in full.

Source: Lambda guide, example events of with-sqs, with-ddb, with-kinesis, services-cloudwatchevents,
invocation-async-retain-records; EventBridge guide, events.
"""

import base64
import hashlib
import json
from typing import Any

REGION, ACCOUNT = "us-east-1", "000000000000"
TABLE_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders/stream/2026-11-28T19:00:00.000"
LOG_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/bellwire-log/stream/2026-11-28T19:00:00.000"
KINESIS_ARN = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/clicks"

Event = dict[str, Any]


def sqs_record(
    message_id: str, body: str, *, received: int = 1, sent_s: float = 0, group: str | None = None
) -> Event:
    attributes = {
        "ApproximateReceiveCount": str(received),
        "SentTimestamp": str(int(sent_s * 1000)),
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": str(int(sent_s * 1000) + 1),
    }
    if group is not None:
        attributes |= {
            "SequenceNumber": "18849496460467696128",
            "MessageGroupId": group,
            "MessageDeduplicationId": message_id,
        }
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt of {message_id}",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode("utf-8", "surrogatepass")).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs{'.fifo' if group else ''}",
        "awsRegion": REGION,
    }


def bus_event(event_id: str, detail: object) -> Event:
    return {
        "version": "0",
        "id": event_id,
        "detail-type": "prices changed",
        "source": "shop",
        "account": ACCOUNT,
        "time": "2026-11-28T19:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": detail,
    }


def dynamodb_record(
    number: int,
    keys: Event,
    *,
    name: str = "INSERT",
    new: Event | None = None,
    old: Event | None = None,
    arn: str = TABLE_ARN,
    at_s: float = 1_795_417_463.0,
) -> Event:
    """Take images and keys in DynamoDB's own JSON, e.g. `{"order": {"S": "a-17"}}`."""
    held: Event = {
        "ApproximateCreationDateTime": at_s,
        "Keys": keys,
        "SequenceNumber": str(number),
        "SizeBytes": 59,
        "StreamViewType": "NEW_AND_OLD_IMAGES" if new or old else "KEYS_ONLY",
    }
    if new is not None:
        held["NewImage"] = new
    if old is not None:
        held["OldImage"] = old
    return {
        "eventID": hashlib.md5(f"{arn}{number}".encode()).hexdigest(),
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": held,
        "eventSourceARN": arn,
    }


def expired(record: Event) -> Event:
    """Make a record the deletion of a row whose time to live is over."""
    principal = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    return {**record, "eventName": "REMOVE", "userIdentity": principal}


def log_record(number: int, channel: str, n: int, name: str = "INSERT") -> Event:
    """A record of the log's own stream, KEYS_ONLY."""
    keys = {"channel": {"S": channel}, "n": {"N": str(n)}}
    return dynamodb_record(number, keys, name=name, arn=LOG_ARN)


def kinesis_record(number: int, content: object, partition_key: str = "a") -> Event:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": partition_key,
            "sequenceNumber": str(number),
            "data": base64.b64encode(text).decode(),
            "approximateArrivalTimestamp": 1_795_417_463.987,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000006:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/lambda-role",
        "awsRegion": REGION,
        "eventSourceARN": KINESIS_ARN,
    }


def function_arn(function: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}:$LATEST"


def asynchronous_failure(function: str, payload: object, request_id: str, condition: str) -> Event:
    return {
        "version": "1.0",
        "timestamp": "2026-11-28T19:00:00.000Z",
        "requestContext": {
            "requestId": request_id,
            "functionArn": function_arn(function),
            "condition": condition,
            "approximateInvokeCount": 3,
        },
        "requestPayload": payload,
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": {"errorMessage": "x", "errorType": "Upstream", "stackTrace": []},
    }


def batch_failure(function: str, arn: str, first: str, last: str, size: int) -> Event:
    name = "KinesisBatchInfo" if ":kinesis:" in arn else "DDBStreamBatchInfo"
    return {
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
            "functionArn": function_arn(function),
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": "2026-11-28T19:00:00.000Z",
        name: {
            "shardId": "shardId-000000000006",
            "startSequenceNumber": first,
            "endSequenceNumber": last,
            "approximateArrivalOfFirstRecord": "2026-11-28T19:00:00.000Z",
            "approximateArrivalOfLastRecord": "2026-11-28T19:00:01.000Z",
            "batchSize": size,
            "streamArn": arn,
        },
    }
