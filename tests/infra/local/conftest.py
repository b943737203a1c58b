"""A running stand-in and the real clients that talk to it: botocore, boto3, paho."""

import contextlib
import http.client
import json
import queue
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
import paho.mqtt.client as paho
import pytest
from botocore.config import Config
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bellwire_local.accounts import Account, Role
from bellwire_local.clocks import Clocks
from bellwire_local.iam.policies import PolicyDocument
from bellwire_local.identity.quotas import IdentityQuotas
from bellwire_local.iot.limits import OFF
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import ThreadedStandIn, running_in_thread
from signing import Keys, presign

if TYPE_CHECKING:
    from mypy_boto3_cognito_identity import CognitoIdentityClient
    from mypy_boto3_iot_data import IoTDataPlaneClient

POLICIES = Path(__file__).parents[3] / "iot_policies"
DEADLINE_S = 10


def render(name: str) -> PolicyDocument:
    """Read a policy document as a deployment of stage `dev` would see it."""
    text = (POLICIES / f"{name}.json").read_text()
    for placeholder, value in (
        ("region", "us-east-1"),
        ("account", "000000000000"),
        ("stage", "dev"),
    ):
        text = text.replace(f"{{{placeholder}}}", value)
    document = json.loads(text)
    assert isinstance(document, dict)
    return document


@dataclass
class Clock:
    """The wall clock and the monotonic clock, moved by hand."""

    ahead_s: float = 0

    def wall_s(self) -> float:
        return time.time() + self.ahead_s

    def monotonic_s(self) -> float:
        return time.monotonic() + self.ahead_s

    @contextlib.contextmanager
    def moved(self, ahead_s: float) -> Iterator[None]:
        self.ahead_s = ahead_s
        try:
            yield
        finally:
            self.ahead_s = 0


@dataclass(frozen=True)
class Signer:
    """Credentials as a client holds them; `identity_id` is a guest's."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None
    identity_id: str = ""


@dataclass(frozen=True)
class HttpReply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class MqttClient:
    """paho on a signed WebSocket; what it hears is put into queues."""

    def __init__(
        self, host: str, port: int, path: str, client_id: str, protocol: MQTTProtocolVersion
    ) -> None:
        self.connected: queue.Queue[int] = queue.Queue()
        self.disconnected: queue.Queue[str] = queue.Queue()
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.acknowledged: queue.Queue[list[int]] = queue.Queue()
        self.published: queue.Queue[int] = queue.Queue()
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            transport="websockets",
            protocol=protocol,
            reconnect_on_failure=False,
        )
        self.paho.ws_set_options(path=path)
        self.paho.on_connect = lambda _c, _u, _f, code, _p: self.connected.put(code.value)
        self.paho.on_disconnect = lambda _c, _u, _f, code, _p: self.disconnected.put(str(code))
        self.paho.on_message = lambda _c, _u, m: self.messages.put((m.topic, bytes(m.payload)))
        self.paho.on_subscribe = self._note_suback
        self.paho.on_publish = lambda _c, _u, mid, _r, _p: self.published.put(mid)
        self.paho.connect(host, port, keepalive=60)
        self.paho.loop_start()

    def _note_suback(
        self, _c: paho.Client, _u: object, _mid: int, codes: list[ReasonCode], _p: Properties
    ) -> None:
        self.acknowledged.put([code.value for code in codes])

    def subscribe(self, *filters: str) -> list[int]:
        """Subscribe and return the codes of the SUBACK."""
        self.paho.subscribe([(name, 0) for name in filters])
        return self.acknowledged.get(timeout=DEADLINE_S)

    def next_message(self) -> tuple[str, bytes]:
        return self.messages.get(timeout=DEADLINE_S)

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


class RawMqtt:
    """A socket on which a test writes WebSocket frames itself; it reads only when told to."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(address)
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: {address[0]}:{address[1]}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "\r\n",
        )
        self.socket.sendall("\r\n".join(lines).encode())
        self.received = b""
        while b"\r\n\r\n" not in self.received:
            self.received += self.socket.recv(1)

    def send(self, payload: bytes, first_byte: int = 0x82) -> None:
        """Send one frame (0x82: binary, whole), masked with zeros, which leaves it readable."""
        size = bytes((0x80 | len(payload),)) if len(payload) < 126 else b""
        size = size or bytes((0xFE,)) + len(payload).to_bytes(2, "big")
        self.socket.sendall(bytes((first_byte,)) + size + bytes(4) + payload)

    def read_frame(self) -> bytes:
        """Return the payload of the next short frame."""
        head = self._read(2)
        return self._read(head[1])

    def read_to_end(self) -> bytes:
        """Return whatever comes until the other side hangs up."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := self.socket.recv(65_536):
                received += piece
        return received

    def _read(self, size_bytes: int) -> bytes:
        received = b""
        while len(received) < size_bytes:
            piece = self.socket.recv(size_bytes - len(received))
            assert piece, "the socket ended early"
            received += piece
        return received

    def close(self) -> None:
        self.socket.close()


class Aws:
    """What a test can do with the stand-in from outside."""

    def __init__(self, running: ThreadedStandIn, clock: Clock) -> None:
        self.running = running
        self.clock = clock
        self.stand_in = running.stand_in
        self._iot = urlsplit(self.stand_in.iot_url)
        self._open: list[MqttClient | RawMqtt] = []

    @property
    def iot_address(self) -> tuple[str, int]:
        return self._iot.hostname or "", self._iot.port or 0

    def cognito(self) -> "CognitoIdentityClient":
        return boto3.client(
            "cognito-identity",
            region_name="us-east-1",
            endpoint_url=self.stand_in.aws_url,
            aws_access_key_id="unused",
            aws_secret_access_key="unused",
            config=Config(retries={"max_attempts": 0}),
        )

    def iot_data(self, signer: Signer, region: str = "us-east-1") -> "IoTDataPlaneClient":
        return boto3.client(
            "iot-data",
            region_name=region,
            endpoint_url=self.stand_in.aws_url,
            aws_access_key_id=signer.access_key_id,
            aws_secret_access_key=signer.secret_access_key,
            aws_session_token=signer.session_token,
            config=Config(retries={"max_attempts": 0}),
        )

    def guest(self) -> Signer:
        cognito = self.cognito()
        identity_id = cognito.get_id(IdentityPoolId=self.stand_in.identity_pool_id)["IdentityId"]
        issued = cognito.get_credentials_for_identity(IdentityId=identity_id)["Credentials"]
        return Signer(
            issued["AccessKeyId"], issued["SecretKey"], issued["SessionToken"], identity_id
        )

    def role(self, name: str) -> Signer:
        issued = self.stand_in.credentials_for(name, "job")
        return Signer(issued.access_key_id, issued.secret_access_key, issued.session_token)

    def presign(
        self,
        signer: Signer,
        *,
        region: str = "us-east-1",
        service: str = "iotdevicegateway",
        url: str = "",
    ) -> str:
        """Return path and query of a WebSocket URL, signed as AWS asks: the token comes after."""
        keys = Keys(signer.access_key_id, signer.secret_access_key, signer.session_token)
        here = url or self.stand_in.iot_url
        signed = urlsplit(presign(here, keys, service=service, region=region))
        return f"{signed.path}?{signed.query}"

    def connect(self, signer: Signer, client_id: str = "") -> MqttClient:
        client = self.start_connecting(signer, client_id or signer.identity_id)
        assert client.connected.get(timeout=DEADLINE_S) == 0
        return client

    def start_connecting(
        self,
        signer: Signer,
        client_id: str,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
    ) -> MqttClient:
        client = MqttClient(*self.iot_address, self.presign(signer), client_id, protocol)
        self._open.append(client)
        return client

    def connect_raw(self, signer: Signer) -> RawMqtt:
        raw = RawMqtt(self.iot_address, self.presign(signer))
        self._open.append(raw)
        return raw

    def upgrade(self, path: str, headers: Mapping[str, str] | None = None) -> HttpReply:
        """Ask for an upgrade and return the answer, 101 or not."""
        connection = http.client.HTTPConnection(*self.iot_address, timeout=DEADLINE_S)
        asked = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol": "mqtt",
            **(headers or {}),
        }
        return _ask(connection, "GET", path, asked, None)

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> HttpReply:
        """Send a plain HTTP request to the AWS port."""
        address = urlsplit(self.stand_in.aws_url)
        connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=DEADLINE_S
        )
        return _ask(connection, method, path, headers, body)

    def close_clients(self) -> None:
        while self._open:
            self._open.pop().close()


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None,
) -> HttpReply:
    with contextlib.closing(connection):
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        content = b"" if response.status == 101 else response.read()
        response.close()
        return HttpReply(response.status, received, content)


def account_of(roles: Mapping[str, PolicyDocument]) -> dict[str, Account]:
    """The home account with these roles, assumable by nobody."""
    return {"000000000000": Account({name: Role(policy) for name, policy in roles.items()})}


@pytest.fixture(scope="session")
def roles() -> dict[str, PolicyDocument]:
    """The project's policy documents, rendered for stage `dev`."""
    names = ("guest_role", "publisher_role", "operator_role")
    return {name: render(name) for name in names}


@pytest.fixture(scope="session")
def running_aws(
    roles: dict[str, PolicyDocument], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Aws]:
    clock = Clock()
    settings = StandInSettings(
        data_dir=tmp_path_factory.mktemp("stand_in"),
        accounts=account_of(roles),
        iot_port=0,
        aws_port=0,
        identity_quotas=IdentityQuotas.unlimited(),
    )
    stand_in = StandIn(settings, Clocks(clock.wall_s, clock.monotonic_s))
    with running_in_thread(stand_in) as running:
        yield Aws(running, clock)


@pytest.fixture
def aws_without_limits(roles: dict[str, PolicyDocument], tmp_path: Path) -> Iterator[Aws]:
    """A stand-in of the test's own, without quotas."""
    settings = StandInSettings(
        tmp_path, accounts=account_of(roles), iot_port=0, aws_port=0, limits=OFF
    )
    with running_in_thread(StandIn(settings)) as running:
        aws = Aws(running, Clock())
        yield aws
        aws.close_clients()


@pytest.fixture
def aws(running_aws: Aws) -> Iterator[Aws]:
    """A running stand-in shared by all tests; a test's clients end with it."""
    yield running_aws
    running_aws.close_clients()
