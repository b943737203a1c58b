"""Dead letters: what is in one comes back whole, and what AWS itself puts beside them is read."""

import base64
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire.errors import Internal, Malformed, TooLarge
from bellwire.letters import (
    MAX_LETTER_BYTES,
    Addressees,
    DeadLetter,
    LostBatch,
    Message,
    Replay,
    decode_letter,
    encode_letter,
    read_message,
)
from infra.aws.sample_events import (
    KINESIS_ARN,
    TABLE_ARN,
    asynchronous_failure,
    batch_failure,
    bus_event,
)

ADDRESSEES = Addressees(jobs="the-jobs", events="the-events", lifecycle="the-lifecycle")

payloads: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def letter(payload: object, message: str = "x") -> DeadLetter:
    return DeadLetter("bellwire-dev-jobs", payload, Internal(message))


def test_a_letter_looks_like_this() -> None:
    assert json.loads(encode_letter(letter({"Records": []}), 1_795_417_463_828)) == {
        "function": "bellwire-dev-jobs",
        "requestPayload": {"Records": []},
        "error": {"code": "internal", "message": "x"},
        "at": 1_795_417_463_828,
    }


@given(payloads, st.text())
def test_whatever_is_in_a_letter_comes_back(payload: object, message: str) -> None:
    text = encode_letter(letter(payload, message), 7)
    assert text.isascii()
    assert decode_letter(text) == Replay("bellwire-dev-jobs", payload)


def test_what_a_topic_rule_could_not_hand_over_is_the_event_it_was() -> None:
    """Source: IoT guide, rule-error-handling, example."""
    told = {"clientId": "us-east-1:a-1", "eventType": "connected", "timestamp": 1}
    letter_of_iot = {
        "ruleName": "lifecycle",
        "topic": "$aws/events/presence/connected/us-east-1:a-1",
        "cloudwatchTraceId": "7e146a2c-95b5-6caf-98b9-50e3969734c7",
        "clientId": "us-east-1:a-1",
        "base64OriginalPayload": base64.b64encode(json.dumps(told).encode()).decode(),
        "failures": [{"failedAction": "LambdaAction", "errorMessage": "Throttled"}],
    }
    found = read_message(Message("m", json.dumps(letter_of_iot)), ADDRESSEES)
    assert found == Replay("the-lifecycle", told)
    for damaged in ("!", base64.b64encode(b"no JSON").decode()):
        body = json.dumps({**letter_of_iot, "base64OriginalPayload": damaged})
        with pytest.raises(Malformed, match="base64OriginalPayload"):
            read_message(Message("m", body), ADDRESSEES)


def test_what_would_not_fit_is_compressed() -> None:
    payload = {"body": '{"a":"é\\"' * 200_000}
    text = encode_letter(letter(payload), 7)
    assert len(text) < MAX_LETTER_BYTES
    assert "requestPayload" not in json.loads(text)
    assert decode_letter(text) == Replay("bellwire-dev-jobs", payload)


def test_what_does_not_fit_at_all_is_refused() -> None:
    noise = random.Random(1).randbytes(900_000).hex()
    with pytest.raises(TooLarge, match=r"at most 1048576 bytes, found 1[0-9]{6}, of"):
        encode_letter(letter(noise), 7)


def test_a_long_error_is_cut() -> None:
    assert len(encode_letter(letter(None, "x" * 1_000_000), 7)) < 1_200


def test_lambdas_records_of_failures_are_read() -> None:
    failure = asynchronous_failure("bellwire-dev-events", {"id": "a"}, "r-1", "RetriesExhausted")
    found = decode_letter(json.dumps(failure))
    assert found == Replay("bellwire-dev-events", {"id": "a"}, "r-1")
    lost = decode_letter(json.dumps(batch_failure("changes", TABLE_ARN, "111", "333", 3)))
    shard = "shardId-000000000006"
    assert lost == LostBatch("changes", "aws:dynamodb", TABLE_ARN, shard, "111", "333", 3)
    lost = decode_letter(json.dumps(batch_failure("changes", KINESIS_ARN, "1", "1", 1)))
    assert lost == LostBatch("changes", "aws:kinesis", KINESIS_ARN, shard, "1", "1", 1)


def test_what_came_without_a_letter_is_for_whom_it_was_meant() -> None:
    event = bus_event("e-1", {"updates": []})
    assert read_message(Message("m", json.dumps(event)), ADDRESSEES) == Replay("the-events", event)
    job = Message("m-1", '{"updates":[]}', "r", {"MessageGroupId": "public/a"})
    found = read_message(job, ADDRESSEES)
    assert found == Replay(
        "the-jobs",
        {
            "Records": [
                {
                    "messageId": "m-1",
                    "receiptHandle": "r",
                    "body": '{"updates":[]}',
                    "attributes": {"MessageGroupId": "public/a"},
                    "messageAttributes": {},
                    "eventSource": "aws:sqs",
                }
            ]
        },
    )
    for body in ("{", "", "[]", '"function"', "[" * 100_000):
        found = read_message(Message("m", body), ADDRESSEES)
        assert isinstance(found, Replay)
        assert found.function == "the-jobs"


@pytest.mark.parametrize(
    "damaged",
    [
        {"function": "", "requestPayload": {}},
        {"function": 7, "requestPayload": {}},
        {"function": "f"},
        {"function": "f", "requestPayloadGzip": "no base64!"},
        {"function": "f", "requestPayloadGzip": "H4sI"},
        {"function": "f", "requestPayloadGzip": "e30="},
        {"requestContext": {"functionArn": "arn:aws:lambda:us-east-1:0:function:"}},
        {"requestContext": {"functionArn": "f"}, "requestPayload": {}},
        {"requestContext": {"functionArn": "arn:aws:lambda:us-east-1:0:function:f"}},
        {
            "requestContext": {"functionArn": "arn:aws:lambda:us-east-1:0:function:f"},
            "DDBStreamBatchInfo": {"streamArn": TABLE_ARN, "shardId": "s"},
        },
    ],
)
def test_a_damaged_letter_is_refused(damaged: object) -> None:
    with pytest.raises(Malformed):
        read_message(Message("m", json.dumps(damaged)), ADDRESSEES)


@given(payloads)
def test_any_json_is_a_letter_or_refused(found: object) -> None:
    try:
        decode_letter(json.dumps(found))
    except Malformed:
        return
    raise AssertionError(found)
