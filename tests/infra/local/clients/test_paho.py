"""paho-mqtt on presigned URLs, MQTT 3.1, 3.1.1 and 5: both levels of QoS, retained messages."""

import contextlib
import queue
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pytest
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from infra.local.endpoints import Endpoint
from signing import Keys

V31, V311, V5 = (
    MQTTProtocolVersion.MQTTv31,
    MQTTProtocolVersion.MQTTv311,
    MQTTProtocolVersion.MQTTv5,
)
VERSIONS = [
    pytest.param(V31, id="3.1"),
    pytest.param(V311, id="3.1.1"),
    pytest.param(V5, id="5"),
]
DEADLINE_S = 10


@dataclass
class Client:
    """A paho client and what it has heard."""

    paho: paho.Client
    connected: "queue.Queue[tuple[int, Any]]" = field(default_factory=queue.Queue)
    disconnected: "queue.Queue[int]" = field(default_factory=queue.Queue)
    granted: "queue.Queue[list[int]]" = field(default_factory=queue.Queue)
    given_up: "queue.Queue[list[int]]" = field(default_factory=queue.Queue)
    published: "queue.Queue[int]" = field(default_factory=queue.Queue)
    messages: "queue.Queue[MQTTMessage]" = field(default_factory=queue.Queue)

    def subscribe(self, topic_filter: str, qos: int) -> list[int]:
        self.paho.subscribe(topic_filter, qos)
        return self.granted.get(timeout=DEADLINE_S)

    def next_message(self) -> tuple[str, bytes, int, bool]:
        found = self.messages.get(timeout=DEADLINE_S)
        return found.topic, bytes(found.payload), found.qos, found.retain


@contextlib.contextmanager
def connecting(
    endpoint: Endpoint, client_id: str, version: MQTTProtocolVersion, keys: Keys | None = None
) -> Iterator[Client]:
    """Connect with a presigned URL; MQTT 3.1 asks for the sub-protocol of that time."""
    url = urlsplit(endpoint.presigned(keys))
    is_old = version is V31
    client = Client(
        paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            transport="websockets",
            protocol=version,
            reconnect_on_failure=False,
        )
    )
    headers = {"Sec-WebSocket-Protocol": "mqttv3.1"} if is_old else None
    client.paho.ws_set_options(f"{url.path}?{url.query}", headers)
    client.paho.on_connect = lambda _c, _u, _f, code, more: client.connected.put((code.value, more))
    client.paho.on_disconnect = lambda _c, _u, _f, code, _p: client.disconnected.put(code.value)
    client.paho.on_message = lambda _c, _u, message: client.messages.put(message)
    client.paho.on_publish = lambda _c, _u, _m, code, _p: client.published.put(code.value)
    client.paho.on_subscribe = lambda _c, _u, _m, codes, _p: client.granted.put(
        [code.value for code in codes]
    )
    client.paho.on_unsubscribe = lambda _c, _u, _m, codes, _p: client.given_up.put(
        [code.value for code in codes]
    )
    client.paho.connect(url.hostname or "", url.port or 0, keepalive=60)
    client.paho.loop_start()
    try:
        yield client
    finally:
        client.paho.disconnect()
        client.paho.loop_stop()


@contextlib.contextmanager
def connected(endpoint: Endpoint, client_id: str, version: MQTTProtocolVersion) -> Iterator[Client]:
    with connecting(endpoint, client_id, version) as client:
        assert client.connected.get(timeout=DEADLINE_S)[0] == 0
        yield client


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("wished", "published"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_message_comes_with_the_lower_qos(
    endpoint: Endpoint, version: MQTTProtocolVersion, wished: int, published: int
) -> None:
    topic = f"paho/{version}/{wished}/{published}"
    with connected(endpoint, "paho", version) as client:
        assert client.subscribe(topic, wished) == [wished]
        client.paho.publish(topic, b"hello", published)
        lower = min(wished, published)
        assert client.next_message() == (topic, b"hello", lower, False)
        assert client.published.get(timeout=DEADLINE_S) == 0


@pytest.mark.parametrize("publisher", VERSIONS)
@pytest.mark.parametrize("subscriber", VERSIONS)
def test_versions_hear_each_other(
    endpoint: Endpoint, publisher: MQTTProtocolVersion, subscriber: MQTTProtocolVersion
) -> None:
    topic = f"paho/between/{publisher}/{subscriber}"
    with (
        connected(endpoint, "paho-from", publisher) as one,
        connected(endpoint, "paho-to", subscriber) as other,
    ):
        assert other.subscribe(topic, 1) == [1]
        one.paho.publish(topic, b"across", 1)
        assert other.next_message() == (topic, b"across", 1, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_many_messages_of_qos_1_arrive_in_order(
    endpoint: Endpoint, version: MQTTProtocolVersion
) -> None:
    topic = f"paho/many/{version}"
    with connected(endpoint, "paho-many", version) as client:
        assert client.subscribe(topic, 1) == [1]
        for number in range(45):  # in and out together under AWS's 100 a second
            client.paho.publish(topic, str(number), 1)
        received = [client.next_message()[1] for _ in range(45)]
    assert received == [str(number).encode() for number in range(45)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_retained_message_is_kept_until_it_is_emptied(
    endpoint: Endpoint, version: MQTTProtocolVersion
) -> None:
    topic = f"paho/kept/{version}"
    with connected(endpoint, "paho-keeper", version) as client:
        client.paho.publish(topic, b"kept", 1, retain=True)
        assert client.published.get(timeout=DEADLINE_S) == 0
        client.subscribe(topic, 1)
        assert client.next_message() == (topic, b"kept", 1, True)
        client.paho.publish(topic, b"", 1, retain=True)
        assert client.next_message() == (topic, b"", 1, False)
        client.paho.unsubscribe(topic)
        client.given_up.get(timeout=DEADLINE_S)
        client.subscribe(topic, 1)
        client.paho.publish(topic, b"live", 0)
        assert client.next_message() == (topic, b"live", 0, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wildcard_brings_no_retained_message(
    endpoint: Endpoint, version: MQTTProtocolVersion
) -> None:
    with connected(endpoint, "paho-wild", version) as client:
        client.paho.publish(f"paho/wild/{version}/a", b"kept", 1, retain=True)
        assert client.published.get(timeout=DEADLINE_S) == 0
        client.subscribe(f"paho/wild/{version}/+", 1)
        client.paho.publish(f"paho/wild/{version}/b", b"live", 0)
        assert client.next_message()[1] == b"live"


def test_connack_of_mqtt_5_names_the_limits(endpoint: Endpoint) -> None:
    with connecting(endpoint, "", V5) as client:
        code, properties = client.connected.get(timeout=DEADLINE_S)
    said = properties.json()
    assert code == 0
    assert said["ReceiveMaximum"] == 100
    assert said["MaximumQoS"] == 1
    assert said["TopicAliasMaximum"] == 8
    assert said["SubscriptionIdentifierAvailable"] == 0
    assert said["AssignedClientIdentifier"].startswith("$GEN/")


def test_properties_of_mqtt_5_pass_through(endpoint: Endpoint) -> None:
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's
    properties.ContentType = "application/json"
    properties.ResponseTopic = "paho/answers"
    properties.CorrelationData = b"\x00\xff"
    properties.UserProperty = [("b", "2"), ("a", "1"), ("b", "3")]
    properties.PayloadFormatIndicator = 1
    with connected(endpoint, "paho-properties", V5) as client:
        client.subscribe("paho/properties", 0)
        client.paho.publish("paho/properties", b"{}", properties=properties)
        found: Any = client.messages.get(timeout=DEADLINE_S).properties
    assert found.ContentType == "application/json"
    assert found.ResponseTopic == "paho/answers"
    assert found.CorrelationData == b"\x00\xff"
    assert found.UserProperty == [("b", "2"), ("a", "1"), ("b", "3")]
    assert found.PayloadFormatIndicator == 1


def test_no_local_keeps_ones_own_messages_away(endpoint: Endpoint) -> None:
    with (
        connected(endpoint, "paho-deaf", V5) as deaf,
        connected(endpoint, "paho-other", V5) as other,
    ):
        deaf.paho.subscribe("paho/local", options=SubscribeOptions(qos=0, noLocal=True))
        deaf.granted.get(timeout=DEADLINE_S)
        deaf.paho.publish("paho/local", b"own", 1)
        deaf.published.get(timeout=DEADLINE_S)
        other.paho.publish("paho/local", b"other's", 1)
        assert deaf.next_message()[1] == b"other's"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_older_connection_yields(endpoint: Endpoint, version: MQTTProtocolVersion) -> None:
    with connected(endpoint, f"paho-same-{version}", version) as older:
        endpoint.pass_time(2)  # AWS takes one CONNECT a second for a client id
        with connected(endpoint, f"paho-same-{version}", version) as newer:
            code = older.disconnected.get(timeout=DEADLINE_S)
            assert newer.subscribe("paho/same", 0) == [0]
    if version is V5:
        assert code == 0x8E
