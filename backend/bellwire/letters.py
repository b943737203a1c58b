"""Dead letters: what a function could never do, with all that is needed to do it again. Pure.

A letter lies in a queue as
`{"function":"bellwire-dev-jobs","requestPayload":{…},"error":{"code","message"},"at":1795417463828}`:
call the function with the payload to replay it. `requestPayloadGzip`, in base64, stands in its
place where the payload would not fit otherwise.

The same queues hold what AWS puts there by itself: Lambda's records of asynchronous invocations and
of stream batches that it gave up, messages that SQS moved there, events that EventBridge could not
deliver. `read_message` makes of each what has to be called again.
"""

import base64
import binascii
import gzip
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from bellwire.errors import BellwireError, Malformed, TooLarge

MAX_LETTER_BYTES: Final = 1_048_576  # Amazon SQS quota "message size", 1 MiB since August 2025
MAX_PAYLOAD_BYTES: Final = 6_291_456  # AWS Lambda quota, synchronous invocation: 6 MB
MAX_MESSAGE_CHARACTERS: Final = 1_000

StreamSource = Literal["aws:dynamodb", "aws:kinesis"]

_BATCHES: Final[Mapping[str, StreamSource]] = {
    "DDBStreamBatchInfo": "aws:dynamodb",
    "KinesisBatchInfo": "aws:kinesis",
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What a function could not do: the event to call it with again, and why it could not."""

    function: str
    payload: object
    error: BellwireError


class DeadLetters(Protocol):
    """Where dead letters go."""

    def send(self, letter: DeadLetter) -> None:
        """Keep a letter until somebody replays it.

        Raises:
            Upstream: the queue did not take it.
            TooLarge: no queue would. Whoever sent the record has to be told that it failed: SQS
                and Lambda have ways of their own to the same queues.
        """
        ...


class Doorbells(Protocol):
    """Where doorbells wait that could not be answered yet."""

    def ring_later(self, letter: DeadLetter) -> None:
        """Keep the record of a doorbell, as a letter, until a while later.

        Raises:
            Upstream: the queue did not take it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Replay:
    """A call that has to be made again; `request_id` is that of the failed call if it is known."""

    function: str
    payload: object
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class LostBatch:
    """Records of one shard of a stream that Lambda gave up, told without what is in them.

    `first` and `last` are sequence numbers, both included; `size` is how many records there are.
    """

    function: str
    source: StreamSource
    stream_arn: str
    shard_id: str
    first: str
    last: str
    size: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a queue hands it out; `attributes` are those of SQS, e.g. `SentTimestamp`."""

    id: str
    body: str
    receipt: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent_ms(self) -> int:
        """When it was sent, in ms since 1970; 0 if the queue does not tell."""
        return int(self.attributes.get("SentTimestamp", 0))


@dataclass(frozen=True, slots=True)
class Addressees:
    """The functions that messages without a letter around them are for."""

    jobs: str
    events: str
    lifecycle: str


def encode_letter(letter: DeadLetter, at_ms: int) -> str:
    """Write a letter in ASCII, whatever its payload is made of.

    Raises:
        TooLarge: even compressed it is larger than a message of SQS may be.
    """
    envelope: dict[str, object] = {
        "function": letter.function,
        "error": {
            "code": letter.error.code,
            "message": letter.error.message[:MAX_MESSAGE_CHARACTERS],
        },
        "at": at_ms,
    }
    plain = _dump({**envelope, "requestPayload": letter.payload})
    if len(plain) <= MAX_LETTER_BYTES:
        return plain
    gzipped = gzip.compress(_dump(letter.payload).encode(), mtime=0)
    packed = _dump({**envelope, "requestPayloadGzip": base64.b64encode(gzipped).decode()})
    if len(packed) > MAX_LETTER_BYTES:
        raise TooLarge(
            f"expected a dead letter of at most {MAX_LETTER_BYTES} bytes, found {len(packed)},"
            f" of {letter.function}: {letter.error.message[:200]}"
        )
    return packed


def read_message(message: Message, addressees: Addressees) -> Replay | LostBatch:
    """Tell what has to be called again for a message of a queue of dead letters.

    An EventBridge event on its own is for `addressees.events`, what a rule of AWS IoT could not
    hand over for `addressees.lifecycle`; whatever else is no letter was moved there by SQS and is
    for `addressees.jobs`, as a record of SQS.

    Source: IoT guide, rule-error-handling: `base64OriginalPayload` beside `failures`.

    Raises:
        Malformed: a letter that is damaged.
    """
    match found := _load(message.body):
        case {"function": _} | {"requestContext": {"functionArn": _}}:
            return decode_letter(message.body)
        case {"ruleName": _, "base64OriginalPayload": str(packed), "failures": _}:
            return Replay(addressees.lifecycle, _decoded(packed))
        case {"detail-type": _, "detail": _}:
            return Replay(addressees.events, found)
        case _:
            return Replay(addressees.jobs, {"Records": [_record(message)]})


def decode_letter(text: str) -> Replay | LostBatch:
    """Read a letter, ours or one of Lambda's destinations for what failed.

    Source: Lambda guide, invocation-async-retain-records and with-ddb / with-kinesis on-failure
    destinations: `requestContext.functionArn` with `requestPayload`, or with `DDBStreamBatchInfo`
    or `KinesisBatchInfo`.

    Raises:
        Malformed: it is neither.
    """
    match _load(text):
        case {"function": str(function), "requestPayload": payload} if function:
            return Replay(function, payload)
        case {"function": str(function), "requestPayloadGzip": str(packed)} if function:
            return Replay(function, _unpack(packed))
        case {"requestContext": {"functionArn": str(arn)} as context, **rest}:
            return _of_destination(_function_of(arn), context.get("requestId"), rest)
    raise Malformed(f"expected a dead letter, found {text[:80]!r}")


def _of_destination(
    function: str, request_id: object, rest: Mapping[object, object]
) -> Replay | LostBatch:
    if "requestPayload" in rest:
        known = request_id if isinstance(request_id, str) else None
        return Replay(function, rest["requestPayload"], known)
    for name, source in _BATCHES.items():
        match rest.get(name):
            case {
                "streamArn": str(stream_arn),
                "shardId": str(shard_id),
                "startSequenceNumber": str(first),
                "endSequenceNumber": str(last),
                "batchSize": int(size),
            }:
                return LostBatch(function, source, stream_arn, shard_id, first, last, size)
    raise Malformed(f"expected requestPayload or a batch of a stream, found {list(rest)[:9]}")


def _function_of(arn: str) -> str:
    """Name a function: `arn:aws:lambda:us-east-1:000000000000:function:NAME:$LATEST` → NAME."""
    parts = arn.split(":")
    if len(parts) < 7 or parts[5] != "function" or not parts[6]:
        raise Malformed(f"expected the ARN of a function, found {arn[:140]!r}")
    return parts[6]


def _decoded(packed: str) -> object:
    try:
        return json.loads(base64.b64decode(packed, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"expected JSON in base64OriginalPayload: {error}") from error


def _record(message: Message) -> dict[str, object]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": dict(message.attributes),
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


def _unpack(packed: str) -> object:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(packed, validate=True))) as stream:
            text = stream.read(MAX_PAYLOAD_BYTES + 1)
        if len(text) <= MAX_PAYLOAD_BYTES:
            return json.loads(text)
    except (binascii.Error, OSError, EOFError, zlib.error, ValueError) as error:
        raise Malformed(
            f"expected gzipped JSON in base64 as requestPayloadGzip: {error}"
        ) from error
    raise Malformed(f"expected a payload of at most {MAX_PAYLOAD_BYTES} bytes, found more")


def _load(text: str) -> object:
    """Read JSON as AWS may have written it; what is none stands for itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
