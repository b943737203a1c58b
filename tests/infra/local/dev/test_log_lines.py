"""No stranger writes lines of our log, or to the terminal that shows it."""

import io
import logging
import socket
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.dev.log_lines import FORM, LineFormatter
from bellwire_local.identity.credentials import CredentialsRefused, Grant
from bellwire_local.identity.decisions import Decision
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused, Verifier
from bellwire_local.printable import printable
from infra.local.command_process import client_of, running_command
from services import running_service

FORGED = "x\nERROR root: forged\r\x1b[31m\x9b2J\u2028\u202e\ud800y"
ESCAPED = r"x\nERROR root: forged\r\x1b[31m\x9b2J\u2028\u202e\ud800y"
HANDSHAKE = (
    "Host: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "\r\n",
)


def _log(message: str, raised: Exception | None = None) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(FORM))
    record = logging.LogRecord(
        "bellwire_local.iot", logging.WARNING, "", 0, "said: %s", (message,), None
    )
    if raised is not None:
        record.exc_info = (type(raised), raised, None)
    handler.handle(record)
    return stream.getvalue()


def test_a_record_is_one_line_without_control_characters() -> None:
    assert _log(FORGED) == f"WARNING bellwire_local.iot: said: {ESCAPED}\n"


def test_what_can_be_printed_stays() -> None:
    assert _log("Grüße, 東京 \\n 'x'") == (
        "WARNING bellwire_local.iot: said: Grüße, 東京 \\n 'x'\n"
    )


@given(st.text(st.characters()))
def test_any_text_is_printable_and_no_less_than_it_was(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    kept = [each for each in text if each.isprintable()]
    rest = iter(shown)
    assert all(each in rest for each in kept)


def test_a_traceback_keeps_its_lines() -> None:
    lines = _log("oh", ValueError("a\x1b[31m\nb")).splitlines()
    assert lines == ["WARNING bellwire_local.iot: said: oh", r"ValueError: a\x1b[31m", "b"]


def test_a_decision_is_one_line() -> None:
    decision = Decision(
        is_allowed=False,
        who=f"guest_role/{FORGED}",
        action="iot:Publish",
        resource=f"arn:aws:iot:us-east-1:000000000000:topic/{FORGED}",
        documents=(),
    )
    assert str(decision).isprintable()
    assert f"topic/{ESCAPED} for " in str(decision)
    assert str(decision.as_json()["line"]).isprintable()


@pytest.mark.parametrize("part", [1, 2])
def test_the_refusal_of_a_scope_is_one_line(part: int) -> None:
    def look_up(_key: str, _token: str | None, _now_s: float) -> Grant:
        raise CredentialsRefused("unused")

    scope = ["AKIA", "20261123", "us-east-1", "iotdata", "aws4_request"]
    scope[part] = FORGED
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
        "&X-Amz-Date=20261123T120000Z"
        f"&X-Amz-Credential={quote('/'.join(scope), safe='', errors='surrogatepass')}"
    )
    request = ReceivedRequest("GET", "/mqtt", query, {"host": "x"})
    with pytest.raises(SignatureRefused) as refused:
        Verifier("us-east-1", ("iotdata",), look_up).verify(request, 0)
    assert str(refused.value).isprintable()
    assert r"x\nERROR root: forged\r\x1b[31m" in str(refused.value)


def _upgrade_with_a_forged_region(iot_url: str) -> bytes:
    scope = quote("a/20200101/us\nERROR root: forged\x1b[31m/iotdata/aws4_request", safe="")
    target = (
        "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
        f"&X-Amz-Date=20200101T000000Z&X-Amz-Credential={scope}"
    )
    place = urlsplit(iot_url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as raw:
        raw.sendall("\r\n".join((f"GET {target} HTTP/1.1", *HANDSHAKE)).encode())
        return raw.recv(100)


@pytest.mark.parametrize("topic", ["a\nERROR root: forged", "a\x1b[31m"])
def test_the_log_of_the_stand_in_is_not_forged(tmp_path: Path, topic: str) -> None:
    with running_command(tmp_path) as (ready, log):
        assert _upgrade_with_a_forged_region(ready["iot"]).startswith(b"HTTP/1.1 403")
        job = client_of(ready, "iot-data", "publisher_role")
        with pytest.raises(job.exceptions.ClientError):
            job.publish(topic=topic, payload=b"x")
    lines = log.read_text().split("\n")
    assert [line[:8] for line in lines if line] == ["WARNING "] * (len(lines) - 1)
    assert all(line.isprintable() for line in lines)
    assert any(r"us\nERROR root: forged\x1b[31m" in line for line in lines)


def test_the_log_of_the_whole_service_is_not_forged(tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo") as service:
        assert _upgrade_with_a_forged_region(service.ready["iot"]).startswith(b"HTTP/1.1 403")
    (line,) = service.log.read_text().splitlines()
    assert r"us\nERROR root: forged\x1b[31m" in line
