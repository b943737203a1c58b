"""PROTOCOL.md's examples, read by the code that they describe."""

import hashlib
import json
import re
from datetime import UTC, datetime

import pytest

from bellwire.answers import decode_answer, encode_answer
from bellwire.aws.presigning import presign_iot_url
from bellwire.cursors import Cursor, decode_cursor, encode_cursor
from bellwire.errors import BellwireError, from_wire, to_wire
from bellwire.identity_ports import Credentials
from bellwire.publications import decode_publication, decode_result, encode_result
from bellwire.updates import (
    Draft,
    Envelope,
    Position,
    Update,
    decode_envelope,
    decode_update,
    encode_envelope,
)
from bellwire.wire_json import decode_json, encode_json
from documents import REPOSITORY, blocks

PAGE = "PROTOCOL.md"
EXAMPLES = blocks(PAGE, "json")
STEPS = blocks(PAGE, "text")


def examples(beginning: str) -> list[str]:
    found = [example for example in EXAMPLES if example.startswith(beginning)]
    assert found, beginning
    return found


def step(beginning: str) -> str:
    """Return the one block of text that begins so."""
    (found,) = [text for text in STEPS if text.startswith(beginning)]
    return found


def test_every_example_is_json_that_the_protocol_takes_in() -> None:
    assert len(EXAMPLES) == 14
    for example in EXAMPLES:
        decode_json(example)


def test_the_update() -> None:
    (example,) = examples('{"s"')
    assert decode_update(decode_json(example)) == Update(
        43, "set", "cpu", {"percent": 12.5}, "order-7", 1795417463828
    )


def test_the_envelope() -> None:
    (example,) = examples('{"v":1,"c"')
    envelope = decode_envelope(example.encode())
    at_ms = 1795443458017
    assert envelope == Envelope(
        channel="public/orders",
        epoch="zry53f2h1",
        after=3,
        last=6,
        updates=(
            Update(5, "event", None, {"order": 8}, None, at_ms),
            Update(6, "set", "open", 4, None, at_ms),
        ),
    )
    assert encode_envelope(envelope).decode() == example


@pytest.mark.parametrize(
    ("at", "is_recovered", "position"),
    [
        (0, False, Position("0", 0)),
        (1, True, Position("zry53f2h1", 3)),
        (2, False, Position("zry53f2h1", 3)),
    ],
)
def test_the_answers(at: int, position: Position, *, is_recovered: bool) -> None:
    example = examples('{"v":1,"cursor"')[at]
    answer = decode_answer(example.encode())
    assert answer.channels["public/orders"].is_recovered is is_recovered
    assert decode_cursor(answer.cursor) == Cursor({"public/orders": position})
    assert encode_json(encode_answer(answer)).decode() == example


def test_every_cursor_is_canonical() -> None:
    cursors = set(re.findall(r"\bWzEs[A-Za-z0-9_-]+", (REPOSITORY / PAGE).read_text()))
    assert len(cursors) == 2
    for cursor in cursors:
        assert encode_cursor(decode_cursor(cursor)) == cursor


def test_the_cursor_taken_apart() -> None:
    plain = step("[1,[[")
    assert plain == '[1,[["public/orders","zry53f2h1",3]],1319059704]'
    cursor = encode_cursor(Cursor({"public/orders": Position("zry53f2h1", 3)}))
    assert cursor == "WzEsW1sicHVibGljL29yZGVycyIsInpyeTUzZjJoMSIsM11dLDEzMTkwNTk3MDRd"
    assert f"Take `{cursor}` apart" in (REPOSITORY / PAGE).read_text()


def test_the_signed_url(monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: at.replace(tzinfo=None))
    given = dict(re.findall(r"^(.+?)  +(\S+)$", step("iot_url"), re.MULTILINE))
    credentials = Credentials(
        given["access key"], given["secret key"], given["session token"], expires_at_ms=0
    )
    url = presign_iot_url(given["iot_url"], given["region"], credentials)
    assert url == step("wss://")
    query, request = step("X-Amz-Algorithm"), step("GET\n/mqtt")
    assert query in url
    assert request.splitlines()[2] == query
    assert step("AWS4-HMAC-SHA256").splitlines()[-1] == hashlib.sha256(request.encode()).hexdigest()


def test_the_publish_request_and_its_results() -> None:
    (request,) = examples('{"updates"')
    drafts = [decode_publication(wire).draft for wire in json.loads(request)["updates"]]
    assert drafts[:3] == [
        Draft("event", data={"order": 7}, id="order-7"),
        Draft("set", "open", 1),
        Draft("set", "open", 2),
    ]
    for answer in examples('{"results"'):
        results = json.loads(answer)["results"]
        assert [encode_result(decode_result(result)) for result in results] == results


def test_the_error_and_the_table_of_codes() -> None:
    (example,) = examples('{"error"')
    error = json.loads(example)["error"]
    assert to_wire(from_wire(error["code"], error["message"])) == {"error": error}
    table = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", (REPOSITORY / PAGE).read_text(), re.MULTILINE)
    kinds = [from_wire(code, "") for code, _ in table]
    assert [(kind.code, str(kind.status)) for kind in kinds] == table
    assert {type(kind) for kind in kinds} == _every_kind(BellwireError) - {BellwireError}


def _every_kind(root: type[BellwireError]) -> set[type[BellwireError]]:
    return {root}.union(*(_every_kind(child) for child in root.__subclasses__()))
