"""The TLS port: whom clients are to trust, and that it is the same port otherwise."""

import logging
import queue
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from bellwire_local.errors import DataDirectoryUnusable, PortInUse
from bellwire_local.iam.policies import PolicyDocument
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import ThreadedStandIn, running_in_thread
from bellwire_local.tls import open_tls
from infra.local.conftest import account_of

if TYPE_CHECKING:
    from infra.local.conftest import Aws

NAMES = ("localhost", "127.0.0.1", "::1")
DEADLINE_S = 10


@pytest.fixture
def settings(tmp_path: Path, roles: dict[str, PolicyDocument]) -> StandInSettings:
    return StandInSettings(
        data_dir=tmp_path, accounts=account_of(roles), iot_port=0, aws_port=0, iot_tls_port=0
    )


@pytest.fixture
def running(settings: StandInSettings) -> Iterator[ThreadedStandIn]:
    with running_in_thread(StandIn(settings)) as running:
        yield running


def _address(running: ThreadedStandIn) -> tuple[str, int]:
    url = urlsplit(running.stand_in.iot_tls_url or "")
    return url.hostname or "", url.port or 0


def _trusting(running: ThreadedStandIn) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=running.stand_in.ca_path)


def _read_to_end(secure: ssl.SSLSocket) -> bytes:
    received = b""
    while piece := secure.recv(65_536):
        received += piece
    return received


@pytest.mark.parametrize("name", NAMES)
def test_who_trusts_the_authority_reaches_every_name(running: ThreadedStandIn, name: str) -> None:
    with (
        socket.create_connection(_address(running), timeout=DEADLINE_S) as raw,
        _trusting(running).wrap_socket(raw, server_hostname=name) as secure,
    ):
        assert secure.version() == "TLSv1.3"
        secure.sendall(b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = _read_to_end(secure)
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"Missing Authentication Token" in answer


def test_who_does_not_trust_it_is_warned(running: ThreadedStandIn) -> None:
    with (
        socket.create_connection(_address(running), timeout=DEADLINE_S) as raw,
        pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"),
    ):
        ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")


def test_another_name_is_not_in_the_certificate(running: ThreadedStandIn) -> None:
    with (
        socket.create_connection(_address(running), timeout=DEADLINE_S) as raw,
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
    ):
        _trusting(running).wrap_socket(raw, server_hostname="evil.example")


def test_paho_subscribes_over_tls_with_the_same_signed_path(
    running: ThreadedStandIn, running_aws: "Aws"
) -> None:
    aws = type(running_aws)(running, running_aws.clock)
    guest = aws.guest()
    path = aws.presign(guest, url=running.stand_in.iot_tls_url or "")
    heard: queue.Queue[bytes] = queue.Queue()
    subscribed: queue.Queue[int] = queue.Queue()
    client = paho.Client(CallbackAPIVersion.VERSION2, guest.identity_id, transport="websockets")
    client.ws_set_options(path=path)
    client.tls_set_context(_trusting(running))
    client.on_connect = lambda c, *_: c.subscribe("dev/public/x")
    client.on_subscribe = lambda _c, _u, _m, codes, _p: subscribed.put(codes[0].value)
    client.on_message = lambda _c, _u, message: heard.put(bytes(message.payload))
    client.connect(*_address(running))
    client.loop_start()
    try:
        assert subscribed.get(timeout=DEADLINE_S) == 0
        aws.iot_data(aws.role("publisher_role")).publish(topic="dev/public/x", payload=b"1")
        assert heard.get(timeout=DEADLINE_S) == b"1"
    finally:
        client.disconnect()
        client.loop_stop()


def test_bytes_that_are_no_tls_end_the_socket_and_leave_no_error(
    running: ThreadedStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    for sent in (b"GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 200):
        with socket.create_connection(_address(running), timeout=DEADLINE_S) as raw:
            raw.sendall(sent)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    test_who_trusts_the_authority_reaches_every_name(running, "localhost")


def test_tls_1_2_is_spoken_and_nothing_older(running: ThreadedStandIn, tmp_path: Path) -> None:
    old = _trusting(running)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(_address(running), timeout=DEADLINE_S) as raw,
        old.wrap_socket(raw, server_hostname="localhost") as secure,
    ):
        assert secure.version() == "TLSv1.2"
    context = open_tls(tmp_path, NAMES, datetime.now(UTC)).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_authority_outlives_a_restart_and_its_key_is_private(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first = open_tls(tmp_path, NAMES, now).ca_path.read_bytes()
    assert open_tls(tmp_path, NAMES, now).ca_path.read_bytes() == first
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "local_ca.pem": 0o600,
        "local_ca.key": 0o600,
    }


def test_an_authority_half_made_is_made_again(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first = open_tls(tmp_path, NAMES, now).ca_path.read_bytes()
    (tmp_path / "local_ca.pem").unlink()
    assert open_tls(tmp_path, NAMES, now).ca_path.read_bytes() != first


@pytest.mark.parametrize("name", ["local_ca.pem", "local_ca.key"])
def test_a_damaged_authority_is_named(tmp_path: Path, name: str) -> None:
    open_tls(tmp_path, NAMES, datetime.now(UTC))
    (tmp_path / name).write_text("not PEM")
    with pytest.raises(DataDirectoryUnusable, match=r"local_ca\.pem"):
        open_tls(tmp_path, NAMES, datetime.now(UTC))


def test_a_key_that_is_not_the_authoritys_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for directory in (tmp_path, other):
        open_tls(directory, NAMES, datetime.now(UTC))
    (other / "local_ca.key").replace(tmp_path / "local_ca.key")
    with pytest.raises(DataDirectoryUnusable, match="no certificate with its key"):
        open_tls(tmp_path, NAMES, datetime.now(UTC))


def test_a_tls_port_in_use_is_named(settings: StandInSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stand_in = StandIn(replace(settings, iot_tls_port=port))
        with pytest.raises(PortInUse, match="MQTT over TLS"), running_in_thread(stand_in):
            pass
