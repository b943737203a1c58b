"""A change of somebody's own table or stream, as a mapping is given it: plain values. Pure.

Source: Lambda guide, with-ddb and with-kinesis, the records of an event; DynamoDB API reference,
AttributeValue.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from bellwire.errors import Malformed
from bellwire.wire_json import Json, decode_json

Source = Literal["dynamodb", "kinesis"]
Kind = Literal["insert", "modify", "remove", "data"]

_KINDS: Final[Mapping[str, Kind]] = {"INSERT": "insert", "MODIFY": "modify", "REMOVE": "remove"}
_WHOLE: Final = re.compile(r"-?[0-9]{1,38}")
_TABLE: Final = re.compile(r"arn:[^:]+:dynamodb:[^:]*:[^:]*:table/([^/]+)/stream/.+")
_STREAM: Final = re.compile(r"arn:[^:]+:kinesis:[^:]*:[^:]*:stream/([^/]+)(?:/.+)?")


@dataclass(frozen=True, slots=True)
class Change:
    """One record of a DynamoDB stream or a Kinesis stream.

    Attributes:
        source: where it comes from.
        kind: what happened to a row, or `data` for a record of Kinesis.
        origin: the name of the table, or of the Kinesis stream.
        keys: the key attributes of the row, e.g. `{"order": "a-17"}`; of a record of Kinesis
            `{"partition_key": "a-17"}`.
        new: the row afterwards, or the JSON that a record of Kinesis holds; None where the row is
            gone or the stream does not show it.
        old: the row before; None where there was none or the stream does not show it.
        id: the same whenever this record comes again.
        is_expiry: the row was deleted by its time to live.
    """

    source: Source
    kind: Kind
    origin: str
    keys: Mapping[str, Json]
    new: Json
    old: Json
    id: str
    is_expiry: bool = False


Updates = Iterable[Mapping[str, Any]]
Mapper = Callable[[Change], Updates]
"""Makes updates of a change, e.g. `[{"channel": "public/orders", "op": "event", "data": 7}]`."""


def decode_change(record: Mapping[str, Any]) -> Change:
    """Read a record of a DynamoDB stream or of Kinesis as Lambda has it.

    Numbers become int where they are whole, else float; binary values stay base64 text, sets
    become lists.

    Raises:
        Malformed: it is neither, or a record of Kinesis does not hold JSON.
    """
    match record:
        case {"eventSource": "aws:kinesis", "kinesis": {"data": str(packed)} as held}:
            return _of_kinesis(record, held, packed)
        case {"eventSource": "aws:dynamodb", "dynamodb": {"Keys": dict(keys)} as held}:
            return _of_dynamodb(record, held, keys)
    raise Malformed(f"expected a record of DynamoDB or Kinesis, found {str(record)[:80]!r}")


def sequence_number_of(record: Mapping[str, Any]) -> str:
    """Tell where a record stands in its shard, e.g. `"111"`.

    Raises:
        Malformed: it does not say.
    """
    match record:
        case {"dynamodb": {"SequenceNumber": str(number)}} if number:
            return number
        case {"kinesis": {"sequenceNumber": str(number)}} if number:
            return number
    raise Malformed(f"expected a record with a sequence number, found {str(record)[:80]!r}")


def _of_kinesis(record: Mapping[str, Any], held: Mapping[str, Any], packed: str) -> Change:
    try:
        text = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"expected base64 as data of a record of Kinesis: {error}") from error
    return Change(
        source="kinesis",
        kind="data",
        origin=_origin_of(record, _STREAM),
        keys={"partition_key": _text(held, "partitionKey")},
        new=decode_json(text),
        old=None,
        id=_text(record, "eventID"),
    )


def _of_dynamodb(record: Mapping[str, Any], held: Mapping[str, Any], keys: object) -> Change:
    kind = _KINDS.get(_text(record, "eventName"))
    if kind is None:
        raise Malformed(f"expected INSERT, MODIFY or REMOVE, found {record['eventName']!r:.80}")
    principal = record.get("userIdentity")
    return Change(
        source="dynamodb",
        kind=kind,
        origin=_origin_of(record, _TABLE),
        keys=_row(keys),
        new=_row(held["NewImage"]) if "NewImage" in held else None,
        old=_row(held["OldImage"]) if "OldImage" in held else None,
        id=_text(record, "eventID"),
        is_expiry=kind == "remove"
        and isinstance(principal, dict)
        and principal.get("principalId") == "dynamodb.amazonaws.com",
    )


def _origin_of(record: Mapping[str, Any], arn: re.Pattern[str]) -> str:
    text = _text(record, "eventSourceARN")
    found = arn.fullmatch(text)
    if found is None:
        raise Malformed(f"expected the ARN of a stream as eventSourceARN, found {text[:140]!r}")
    return found[1]


def _row(attributes: object) -> dict[str, Json]:
    if not isinstance(attributes, dict):
        raise Malformed(f"expected the attributes of a row, found {str(attributes)[:80]!r}")
    return {name: _value(attribute) for name, attribute in attributes.items()}


def _value(attribute: object) -> Json:
    match attribute:
        case {"S": str(text)} | {"B": str(text)}:
            return text
        case {"N": str(digits)}:
            return _number(digits)
        case {"BOOL": bool(truth)}:
            return truth
        case {"NULL": True}:
            return None
        case {"M": dict(inner)}:
            return _row(inner)
        case {"L": list(items)}:
            return [_value(item) for item in items]
        case {"SS": list(texts)} | {"BS": list(texts)}:
            return [_value({"S": text}) for text in texts]
        case {"NS": list(numbers)}:
            return [_value({"N": number}) for number in numbers]
    raise Malformed(f"expected an attribute value of DynamoDB, found {str(attribute)[:80]!r}")


def _number(digits: str) -> int | float:
    if _WHOLE.fullmatch(digits):
        return int(digits)
    try:
        return float(digits)
    except ValueError as error:
        raise Malformed(f"expected a number of DynamoDB, found {digits[:60]!r}") from error


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise Malformed(f"expected a text as {name} of a record, found {value!r:.80}")
    return value
