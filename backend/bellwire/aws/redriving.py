"""What redrive calls and reads on AWS: Lambda functions, and streams from a sequence number on."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from bellwire.aws.queue_errors import mapped_errors
from bellwire.errors import NotFound
from bellwire.letters import LostBatch
from bellwire.replaying import Answered

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_lambda import LambdaClient

MAX_PAGES: Final = 1_000
"""Pages of one shard that are looked through for a batch; many may be empty. Ours."""

Numbered = tuple[int, dict[str, object]]
Pages = Iterator[list[Numbered]]


class LambdaFunctions:
    """A `Functions` on boto3's `lambda`.

    The client should wait for as long as a function may take, and not try again by itself.
    """

    def __init__(self, client: "LambdaClient") -> None:
        self._client = client

    def call(self, function: str, payload: object) -> Answered:
        """See `Functions.call`."""
        with mapped_errors(f"calling {function}"):
            try:
                found = self._client.invoke(
                    FunctionName=function,
                    InvocationType="RequestResponse",
                    Payload=json.dumps(payload, separators=(",", ":")).encode(),
                )
            except self._client.exceptions.RequestTooLargeException as error:
                return Answered(str(error), has_failed=True)
            text = found["Payload"].read()
        result = json.loads(text) if text else None
        return Answered(result, has_failed="FunctionError" in found)


class AwsStreams:
    """A `Streams` on boto3's `dynamodbstreams` and `kinesis`."""

    def __init__(self, dynamodb: "DynamoDBStreamsClient", kinesis: "KinesisClient") -> None:
        self._dynamodb = dynamodb
        self._kinesis = kinesis

    def read(self, batch: LostBatch) -> list[dict[str, object]]:
        """See `Streams.read`.

        With a filter on the event source, or several batches of a shard at once, there are records
        among them that were no part of the batch.
        """
        read = self._read_dynamodb if batch.source == "aws:dynamodb" else self._read_kinesis
        with mapped_errors(f"reading {batch.stream_arn}"):
            records = list(_of_batch(read(batch), batch))
        if not records or (records[0][0], records[-1][0]) != (int(batch.first), int(batch.last)):
            raise _gone(batch)
        return [record for _, record in records]

    def _read_dynamodb(self, batch: LostBatch) -> Pages:
        """Source: Lambda guide, with-ddb: a record is that of the stream, and its ARN."""
        client = self._dynamodb
        try:
            iterator: str | None = client.get_shard_iterator(
                StreamArn=batch.stream_arn,
                ShardId=batch.shard_id,
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=batch.first,
            )["ShardIterator"]
            while iterator:
                page = client.get_records(ShardIterator=iterator)
                yield [
                    (
                        int(record["dynamodb"]["SequenceNumber"]),
                        {**_as_json(record), "eventSourceARN": batch.stream_arn},
                    )
                    for record in page["Records"]
                ]
                iterator = page.get("NextShardIterator")
        except (
            client.exceptions.TrimmedDataAccessException,
            client.exceptions.ResourceNotFoundException,
        ) as error:
            raise _gone(batch) from error

    def _read_kinesis(self, batch: LostBatch) -> Pages:
        """Source: Lambda guide, with-kinesis, example event."""
        client = self._kinesis
        try:
            iterator: str | None = client.get_shard_iterator(
                StreamARN=batch.stream_arn,
                ShardId=batch.shard_id,
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                StartingSequenceNumber=batch.first,
            )["ShardIterator"]
            while iterator:
                page = client.get_records(StreamARN=batch.stream_arn, ShardIterator=iterator)
                yield [_of_kinesis(dict(record), batch) for record in page["Records"]]
                iterator = page.get("NextShardIterator")
        except (
            client.exceptions.InvalidArgumentException,
            client.exceptions.ResourceNotFoundException,
        ) as error:
            raise _gone(batch) from error


def _of_batch(pages: Pages, batch: LostBatch) -> Iterator[Numbered]:
    """Take the records up to the last of the batch."""
    for page in islice(pages, MAX_PAGES):
        for number, record in page:
            if number > int(batch.last):
                return
            yield number, record
            if number == int(batch.last):
                return


def _of_kinesis(record: dict[str, Any], batch: LostBatch) -> Numbered:
    number = record["SequenceNumber"]
    held = {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": record["PartitionKey"],
        "sequenceNumber": number,
        "data": record["Data"],
        "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
    }
    return int(number), {
        "kinesis": _as_json(held),
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{batch.shard_id}:{number}",
        "eventName": "aws:kinesis:record",
        "eventSourceARN": batch.stream_arn,
    }


def _as_json(value: Any) -> Any:
    """Undo what the SDK makes of JSON: bytes were base64, times are s since 1970."""
    match value:
        case dict():
            return {name: _as_json(inner) for name, inner in value.items()}
        case list():
            return [_as_json(inner) for inner in value]
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return value.timestamp()
    return value


def _gone(batch: LostBatch) -> NotFound:
    return NotFound(
        f"expected the records {batch.first} to {batch.last} of {batch.shard_id} of"
        f" {batch.stream_arn}, which it no longer holds"
    )
