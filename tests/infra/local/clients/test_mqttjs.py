"""MQTT.js on presigned URLs, MQTT 3.1.1 and 5."""

from collections.abc import Callable

import pytest

from infra.local.clients.nodes import NodeClient
from infra.local.endpoints import Endpoint
from signing import REGION

Start = Callable[..., NodeClient]
VERSIONS = [
    pytest.param(("MQIsdp", 3), id="3.1"),
    pytest.param(("MQTT", 4), id="3.1.1"),
    pytest.param(("MQTT", 5), id="5"),
]


def connect(
    start_node: Start,
    endpoint: Endpoint,
    client_id: str,
    version: tuple[str, int] = ("MQTT", 4),
    first_skew_s: int = 0,
) -> NodeClient:
    keys = endpoint.keys
    settings = {
        "url": endpoint.iot_url,
        "region": REGION,
        "accessKeyId": keys.access_key_id,
        "secretAccessKey": keys.secret_access_key,
        "sessionToken": keys.session_token,
        "clientId": client_id,
        "protocolId": version[0],
        "protocolVersion": version[1],
        "firstSkewSeconds": first_skew_s,
    }
    return start_node("mqttjs_client.mjs", settings)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1])
def test_a_message_comes_back(
    start_node: Start, endpoint: Endpoint, version: tuple[str, int], qos: int
) -> None:
    client = connect(start_node, endpoint, "mqttjs", version)
    client.next("connected")
    topic = f"mqttjs/{version[1]}/{qos}"
    granted = client.ask("subscribed", do="subscribe", topic=topic, qos=qos)
    assert granted["granted"] == [qos]
    client.tell(do="publish", topic=topic, payload="hello", qos=qos)
    happened = [client.next_of({"message", "published"}) for _ in range(2)]
    message = next(one for one in happened if one["event"] == "message")
    assert (message["topic"], message["payload"]) == (topic, "hello")
    assert (message["qos"], message["retain"]) == (qos, False)


def test_properties_of_mqtt_5_pass_through(start_node: Start, endpoint: Endpoint) -> None:
    client = connect(start_node, endpoint, "mqttjs-properties", ("MQTT", 5))
    client.next("connected")
    client.ask("subscribed", do="subscribe", topic="mqttjs/properties", qos=0)
    properties = {"contentType": "text/plain", "userProperties": {"b": ["2", "3"], "a": "1"}}
    client.tell(do="publish", topic="mqttjs/properties", payload="x", qos=0, properties=properties)
    happened = [client.next_of({"message", "published"}) for _ in range(2)]
    message = next(one for one in happened if one["event"] == "message")
    assert message["contentType"] == "text/plain"
    assert message["userProperties"] == {"b": ["2", "3"], "a": "1"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_retained_message_is_there_before(
    start_node: Start, endpoint: Endpoint, version: tuple[str, int]
) -> None:
    client = connect(start_node, endpoint, "mqttjs-retained", version)
    client.next("connected")
    topic = f"mqttjs/retained/{version[1]}"
    client.ask("published", do="publish", topic=topic, payload="kept", qos=1, retain=True)
    client.tell(do="subscribe", topic=topic, qos=0)
    happened = [client.next_of({"message", "subscribed"}) for _ in range(2)]
    message = next(one for one in happened if one["event"] == "message")
    assert (message["payload"], message["retain"]) == ("kept", True)


def test_each_connection_is_signed_anew(start_node: Start, endpoint: Endpoint) -> None:
    client = connect(start_node, endpoint, "mqttjs-again")
    assert client.next("connected")["connections"] == 1
    client.ask("subscribed", do="subscribe", topic="mqttjs/again", qos=0)
    client.ask("closed", do="cut")
    assert client.next("connected")["connections"] == 2
    client.tell(do="publish", topic="mqttjs/again", payload="back", qos=0)
    happened = [client.next_of({"message", "published"}) for _ in range(2)]
    assert {one["event"] for one in happened} == {"message", "published"}


def test_a_url_of_ten_minutes_ago_is_refused_and_the_next_accepted(
    start_node: Start, endpoint: Endpoint
) -> None:
    client = connect(start_node, endpoint, "mqttjs-late", first_skew_s=-600)
    client.next("closed")
    assert client.next("connected")["connections"] == 2
