"""The AWS IoT Device SDK v1 for JavaScript: signs by itself, asks for `mqttv3.1`, TLS only.

As released it puts MQTT 3.1.1 into that sub-protocol; told to, it speaks MQTT 3.1. It writes the
parts of a packet into frames of their own.
"""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import pytest

from infra.local.clients.nodes import NodeClient
from infra.local.endpoints import Endpoint
from signing import REGION

Start = Callable[..., NodeClient]
AS_RELEASED: Mapping[str, object] = {}
MQTT_3_1 = {"protocolId": "MQIsdp", "protocolVersion": 3}


def connect(
    start_node: Start,
    endpoint: Endpoint,
    client_id: str,
    *,
    secret: str | None = None,
    more: Mapping[str, object] = AS_RELEASED,
) -> NodeClient:
    address = urlsplit(endpoint.tls_url)
    keys = endpoint.keys
    settings = {
        "host": address.hostname,
        "port": address.port,
        "region": REGION,
        "clientId": client_id,
        "accessKeyId": keys.access_key_id,
        "secretAccessKey": secret or keys.secret_access_key,
        "sessionToken": keys.session_token,
        "more": more,
    }
    return start_node("sdk_v1_client.mjs", settings, NODE_EXTRA_CA_CERTS=str(endpoint.ca_path))


@pytest.mark.parametrize(
    "more", [pytest.param(AS_RELEASED, id="3.1.1"), pytest.param(MQTT_3_1, id="3.1")]
)
@pytest.mark.parametrize("qos", [0, 1])
def test_a_message_comes_back(
    start_node: Start, endpoint: Endpoint, qos: int, more: Mapping[str, object]
) -> None:
    device = connect(start_node, endpoint, "v1", more=more)
    device.next("connected")
    granted = device.ask("subscribed", do="subscribe", topic=f"v1/{qos}", qos=qos)
    assert granted["granted"] == [qos]
    device.tell(do="publish", topic=f"v1/{qos}", payload="x" * 10_000, qos=qos)
    happened = [device.next_of({"message", "published"}) for _ in range(2)]
    message = next(one for one in happened if one["event"] == "message")
    assert (message["topic"], message["payload"]) == (f"v1/{qos}", "x" * 10_000)
    device.ask("unsubscribed", do="unsubscribe", topic=f"v1/{qos}")


def test_a_wrong_secret_is_refused(start_node: Start, endpoint: Endpoint) -> None:
    device = connect(start_node, endpoint, "v1-forged", secret="wrong")
    device.next("closed")
