"""Queues, functions and streams of AWS as redrive meets them: moto's, and boto3's own answers."""

import base64
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

from bellwire.aws.dead_letters import SqsDeadLetters, SqsLetterBox
from bellwire.aws.doorbell_queue import SqsDoorbells
from bellwire.aws.redriving import AwsStreams, LambdaFunctions
from bellwire.changes import Change, decode_change
from bellwire.errors import Internal, NotFound, Upstream
from bellwire.letters import Addressees, DeadLetter, LostBatch, Replay, read_message
from bellwire.replaying import Answered, Replayed, Replays, replay_letters
from infra.aws.sample_events import TABLE_ARN

NOW_MS = 1_795_417_463_828
LETTER = DeadLetter("jobs", {"Records": []}, Internal("x"))
ADDRESSEES = Addressees("jobs", "events", "lifecycle")
REGION = "us-east-1"
SHARD = "shardId-00000001541626099285-f35f62ef"
FIRST, LAST = "100000000003498069978", "100000000003498069980"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


@pytest.fixture
def sqs(aws: None) -> Any:  # noqa: ARG001 - it is there
    return boto3.client("sqs", region_name=REGION)


def make_queue(sqs: Any, name: str = "dead", **attributes: str) -> str:
    return str(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


def test_a_letter_is_sent_received_released_and_deleted(sqs: Any) -> None:
    url = make_queue(sqs)
    box = SqsLetterBox(sqs, url, wait_s=0)
    assert (box.receive(10), box.count()) == ([], 0)
    SqsDeadLetters(sqs, url, lambda: NOW_MS).send(LETTER)
    (message,) = box.receive(10)
    assert read_message(message, ADDRESSEES) == Replay("jobs", {"Records": []})
    assert json.loads(message.body)["at"] == NOW_MS
    assert message.sent_ms > 0
    assert (box.receive(10), box.count()) == ([], 1)
    box.release(message)
    (again,) = box.receive(10)
    box.delete(again)
    assert (box.receive(10), box.count()) == ([], 0)


def test_a_fifo_queue_tells_groups(sqs: Any) -> None:
    url = make_queue(sqs, "dead.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="public/a")
    (message,) = SqsLetterBox(sqs, url, wait_s=0).receive(1)
    assert message.attributes["MessageGroupId"] == "public/a"
    replay = read_message(message, ADDRESSEES)
    assert isinstance(replay, Replay)
    assert replay.payload["Records"][0]["messageId"] == message.id  # type: ignore[index]  # JSON


def test_a_doorbell_waits_before_it_is_rung(sqs: Any) -> None:
    url = make_queue(sqs)
    SqsDoorbells(sqs, url, lambda: NOW_MS, delay_s=900).ring_later(LETTER)
    box = SqsLetterBox(sqs, url, wait_s=0)
    assert (box.receive(10), box.count()) == ([], 1)
    SqsDoorbells(sqs, url, lambda: NOW_MS, delay_s=0).ring_later(LETTER)
    assert len(box.receive(10)) == 1


def test_a_queue_that_is_away_is_upstream(sqs: Any) -> None:
    url = make_queue(sqs)
    dead, box = SqsDeadLetters(sqs, url, lambda: NOW_MS), SqsLetterBox(sqs, url, wait_s=0)
    dead.send(LETTER)
    (message,) = box.receive(1)
    sqs.delete_queue(QueueUrl=url)
    for call in (
        lambda: dead.send(LETTER),
        lambda: SqsDoorbells(sqs, url, lambda: NOW_MS).ring_later(LETTER),
        lambda: box.receive(1),
        lambda: box.delete(message),
        lambda: box.release(message),
        box.count,
    ):
        with pytest.raises(Upstream, match="failed: "):
            call()


class Unreachable:
    """A `Functions` and a `Streams` that are none."""

    def call(self, function: str, payload: object) -> Answered:
        if payload == {"Records": [], "replay": {"request_id": None}}:
            return Answered(None)
        raise Upstream(f"{function} could not be called")

    def read(self, batch: LostBatch) -> list[dict[str, object]]:
        raise NotFound(batch.shard_id)


def replay(box: SqsLetterBox, most: int = 100, **more: Any) -> Replayed:
    ports = Unreachable()
    now_ms = int(datetime.now(UTC).timestamp() * 1000) + 60_000
    replays = Replays([box], ports, ports, ADDRESSEES, {"jobs"}, lambda: now_ms, **more)
    return replay_letters(replays, most)


def test_what_cannot_be_replayed_stays(sqs: Any) -> None:
    url = make_queue(sqs)
    box, dead = SqsLetterBox(sqs, url, wait_s=0), SqsDeadLetters(sqs, url, lambda: NOW_MS)
    for letter in (
        LETTER,
        DeadLetter("jobs", {"Records": [{}]}, Internal("x")),
        DeadLetter("somebody else's", {"Records": []}, Internal("x")),
    ):
        dead.send(letter)
    sqs.send_message(QueueUrl=url, MessageBody='{"function":""}')
    for _ in range(2):
        found = replay(box)
    assert found == Replayed(replayed=0, failed=3, left=3)


def test_no_more_are_replayed_than_asked_for_or_there_is_time_for(sqs: Any) -> None:
    url = make_queue(sqs)
    for _ in range(15):
        SqsDeadLetters(sqs, url, lambda: NOW_MS).send(LETTER)
    box = SqsLetterBox(sqs, url, wait_s=0)
    assert replay(box, 12) == Replayed(replayed=12, failed=0, left=3)
    times = iter([True, True, False])
    done = replay(box, has_time=lambda: next(times, False))
    assert done == Replayed(replayed=1, failed=0, left=2)
    assert replay(box) == Replayed(replayed=2, failed=0, left=0)


def lambda_answers(content: bytes, **more: Any) -> dict[str, Any]:
    return {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(content), len(content)), **more}


@pytest.fixture
def lambdas() -> Iterator[tuple[LambdaFunctions, Stubber]]:
    client = boto3.client(
        "lambda", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(client) as stub:
        yield LambdaFunctions(client), stub


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda_answers(b'{"batchItemFailures":[]}'), Answered({"batchItemFailures": []})),
        (lambda_answers(b"null"), Answered(None)),
        (lambda_answers(b""), Answered(None)),
        (
            lambda_answers(b'{"errorType":"Upstream"}', FunctionError="Unhandled"),
            Answered({"errorType": "Upstream"}, has_failed=True),
        ),
    ],
)
def test_a_function_is_called_and_waited_for(
    lambdas: tuple[LambdaFunctions, Stubber], answer: dict[str, Any], expected: Answered
) -> None:
    functions, stub = lambdas
    asked = {
        "FunctionName": "jobs",
        "InvocationType": "RequestResponse",
        "Payload": b'{"a":"\\u00e9"}',
    }
    stub.add_response("invoke", answer, asked)
    assert functions.call("jobs", {"a": "é"}) == expected


def test_a_payload_that_is_too_large_has_failed(lambdas: tuple[LambdaFunctions, Stubber]) -> None:
    functions, stub = lambdas
    stub.add_client_error("invoke", "RequestTooLargeException", http_status_code=413)
    assert functions.call("jobs", {}).has_failed


def test_a_function_that_cannot_be_called_is_upstream(
    lambdas: tuple[LambdaFunctions, Stubber],
) -> None:
    functions, stub = lambdas
    stub.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
    with pytest.raises(Upstream, match="calling jobs failed"):
        functions.call("jobs", {})


@pytest.fixture
def streams(aws: None) -> AwsStreams:  # noqa: ARG001 - it is there
    return AwsStreams(
        boto3.client("dynamodbstreams", region_name=REGION),
        boto3.client("kinesis", region_name=REGION),
    )


def test_records_of_kinesis_are_read_again_as_lambda_had_them(streams: AwsStreams) -> None:
    kinesis = boto3.client("kinesis", region_name=REGION)
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    described = kinesis.describe_stream(StreamName="clicks")["StreamDescription"]
    shard, arn = described["Shards"][0]["ShardId"], described["StreamARN"]
    numbers = [
        kinesis.put_record(StreamName="clicks", Data=b'{"n":%d}' % n, PartitionKey="a")[
            "SequenceNumber"
        ]
        for n in range(4)
    ]
    batch = LostBatch("changes", "aws:kinesis", arn, shard, numbers[1], numbers[2], 2)
    found = streams.read(batch)
    assert [decode_change(record) for record in found] == [
        Change("kinesis", "data", "clicks", {"partition_key": "a"}, {"n": n}, None, f"{shard}:{at}")
        for n, at in ((1, numbers[1]), (2, numbers[2]))
    ]
    assert base64.b64decode(found[0]["kinesis"]["data"]) == b'{"n":1}'  # type: ignore[index]  # JSON
    elsewhere = LostBatch("changes", "aws:kinesis", arn + "x", shard, numbers[1], numbers[2], 2)
    with pytest.raises(NotFound):
        streams.read(elsewhere)


@pytest.fixture
def stubbed() -> Iterator[tuple[AwsStreams, Stubber]]:
    keys: dict[str, Any] = {
        "region_name": REGION,
        "aws_access_key_id": "x",
        "aws_secret_access_key": "x",
    }
    client = boto3.client("dynamodbstreams", **keys)
    with Stubber(client) as stub:
        yield AwsStreams(client, boto3.client("kinesis", **keys)), stub


BATCH = LostBatch("changes", "aws:dynamodb", TABLE_ARN, SHARD, FIRST, LAST, 2)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("TrimmedDataAccessException", NotFound),
        ("ResourceNotFoundException", NotFound),
        ("LimitExceededException", Upstream),
    ],
)
def test_a_stream_that_cannot_be_read(
    stubbed: tuple[AwsStreams, Stubber], code: str, kind: type[Exception]
) -> None:
    streams, stub = stubbed
    stub.add_client_error("get_shard_iterator", code)
    with pytest.raises(kind):
        streams.read(BATCH)


def stub_pages(stub: Stubber, *numbers: str) -> None:
    """Answer with an empty page, and then with records up to the end of the shard."""
    stub.add_response(
        "get_shard_iterator",
        {"ShardIterator": "i1"},
        {
            "StreamArn": TABLE_ARN,
            "ShardId": SHARD,
            "ShardIteratorType": "AT_SEQUENCE_NUMBER",
            "SequenceNumber": FIRST,
        },
    )
    stub.add_response("get_records", {"Records": [], "NextShardIterator": "i2"})
    at = datetime(2026, 11, 28, tzinfo=UTC)
    held: Any = [
        {"dynamodb": {"SequenceNumber": number, "ApproximateCreationDateTime": at}}
        for number in numbers
    ]
    stub.add_response("get_records", {"Records": held})


def test_records_of_a_table_are_read_again_as_lambda_had_them(
    stubbed: tuple[AwsStreams, Stubber],
) -> None:
    """Not on moto: its sequence numbers are shorter than the SDK lets pass."""
    streams, stub = stubbed
    row = {"n": {"N": "1"}, "photo": {"B": b"hello"}, "all": {"L": [{"BS": [b"x"]}]}}
    record: Any = {
        "eventID": "7b1e7e0b0b6a4b6cbb1e1f2a3c4d5e6f",
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": {"Keys": {"n": {"N": "1"}}, "NewImage": row, "SequenceNumber": FIRST},
    }
    stub.add_response("get_shard_iterator", {"ShardIterator": "i1"})
    stub.add_response("get_records", {"Records": [record]})
    one = LostBatch("changes", "aws:dynamodb", TABLE_ARN, SHARD, FIRST, FIRST, 1)
    (found,) = streams.read(one)
    assert decode_change(json.loads(json.dumps(found))) == Change(
        source="dynamodb",
        kind="insert",
        origin="orders",
        keys={"n": 1},
        new={"n": 1, "photo": "aGVsbG8=", "all": [["eA=="]]},
        old=None,
        id="7b1e7e0b0b6a4b6cbb1e1f2a3c4d5e6f",
    )


def test_a_batch_is_read_page_by_page(stubbed: tuple[AwsStreams, Stubber]) -> None:
    streams, stub = stubbed
    stub_pages(stub, FIRST, LAST, "100000000003498069999")
    assert streams.read(BATCH) == [
        {
            "dynamodb": {"SequenceNumber": number, "ApproximateCreationDateTime": 1_795_824_000.0},
            "eventSourceARN": TABLE_ARN,
        }
        for number in (FIRST, LAST)
    ]


@pytest.mark.parametrize("held", [[], [FIRST], [LAST]])
def test_a_batch_of_which_a_part_is_gone_is_gone(
    stubbed: tuple[AwsStreams, Stubber], held: list[str]
) -> None:
    streams, stub = stubbed
    stub_pages(stub, *held)
    with pytest.raises(NotFound, match="no longer holds"):
        streams.read(BATCH)
    stub.assert_no_pending_responses()
