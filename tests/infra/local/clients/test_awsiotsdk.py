"""awsiotsdk, MQTT 5 and 3.1.1 over `wss://`, signed as its own C library has it."""

import contextlib
import queue
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

import awscrt.exceptions
import pytest
from awscrt import auth, mqtt, mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder

from infra.local.endpoints import Endpoint
from signing import REGION

DEADLINE_S = 20


def common(endpoint: Endpoint, client_id: str, secret: str | None = None) -> dict[str, Any]:
    address = urlsplit(endpoint.tls_url)
    keys = endpoint.keys
    return {
        "endpoint": address.hostname,
        "port": address.port,
        "region": REGION,
        "client_id": client_id,
        "ca_filepath": str(endpoint.ca_path),
        "credentials_provider": auth.AwsCredentialsProvider.new_static(
            keys.access_key_id, secret or keys.secret_access_key, keys.session_token
        ),
    }


class Client5:
    """An MQTT 5 client and what it has heard."""

    def __init__(self, endpoint: Endpoint, client_id: str, secret: str | None = None) -> None:
        self.connected: queue.Queue[Any] = queue.Queue()
        self.failed: queue.Queue[Any] = queue.Queue()
        self.messages: queue.Queue[Any] = queue.Queue()
        self.stopped: Future[None] = Future()
        self.client = mqtt5_client_builder.websockets_with_default_aws_signing(
            on_publish_received=lambda one: self.messages.put(one.publish_packet),
            on_lifecycle_connection_success=self.connected.put,
            on_lifecycle_connection_failure=self.failed.put,
            on_lifecycle_stopped=lambda _: self.stopped.set_result(None),
            **common(endpoint, client_id, secret),
        )
        self.client.start()

    def subscribe(self, topic_filter: str, qos: mqtt5.QoS) -> list[int]:
        wish = mqtt5.Subscription(topic_filter=topic_filter, qos=qos)
        answer = self.client.subscribe(mqtt5.SubscribePacket(subscriptions=[wish]))
        return [int(code) for code in answer.result(DEADLINE_S).reason_codes]


@contextlib.contextmanager
def client_5(endpoint: Endpoint, client_id: str, secret: str | None = None) -> Iterator[Client5]:
    client = Client5(endpoint, client_id, secret)
    try:
        yield client
    finally:
        client.client.stop()
        client.stopped.result(DEADLINE_S)


@pytest.mark.parametrize("qos", [mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.AT_LEAST_ONCE])
def test_mqtt_5_message_comes_back(endpoint: Endpoint, qos: mqtt5.QoS) -> None:
    with client_5(endpoint, f"crt5-{int(qos)}") as client:
        client.connected.get(timeout=DEADLINE_S)
        assert client.subscribe(f"crt5/{int(qos)}", qos) == [int(qos)]
        packet = mqtt5.PublishPacket(
            topic=f"crt5/{int(qos)}",
            payload=b"hello",
            qos=qos,
            content_type="text/plain",
            user_properties=[mqtt5.UserProperty("b", "2"), mqtt5.UserProperty("a", "1")],
        )
        client.client.publish(packet).result(DEADLINE_S)
        found = client.messages.get(timeout=DEADLINE_S)
    assert (found.topic, found.payload, found.qos) == (f"crt5/{int(qos)}", b"hello", qos)
    assert found.content_type == "text/plain"
    assert [(one.name, one.value) for one in found.user_properties] == [("b", "2"), ("a", "1")]


def test_mqtt_5_settings_are_those_of_the_server(endpoint: Endpoint) -> None:
    with client_5(endpoint, "crt5-settings") as client:
        settings = client.connected.get(timeout=DEADLINE_S).negotiated_settings
    assert settings.maximum_qos == mqtt5.QoS.AT_LEAST_ONCE
    assert settings.receive_maximum_from_server == 100
    assert settings.retain_available
    assert settings.wildcard_subscriptions_available
    assert not settings.subscription_identifiers_available
    assert settings.client_id == "crt5-settings"


def test_mqtt_5_wrong_secret_is_refused(endpoint: Endpoint) -> None:
    with client_5(endpoint, "crt5-forged", "wrong") as client:
        failure = client.failed.get(timeout=DEADLINE_S)
    assert failure.exception.name == "AWS_ERROR_HTTP_WEBSOCKET_UPGRADE_FAILURE"


@pytest.mark.parametrize("qos", [mqtt.QoS.AT_MOST_ONCE, mqtt.QoS.AT_LEAST_ONCE])
def test_mqtt_3_1_1_message_comes_back(endpoint: Endpoint, qos: mqtt.QoS) -> None:
    messages: queue.Queue[tuple[str, bytes, mqtt.QoS, bool]] = queue.Queue()
    connection = mqtt_connection_builder.websockets_with_default_aws_signing(
        clean_session=True, **common(endpoint, f"crt311-{int(qos)}")
    )
    connection.connect().result(DEADLINE_S)
    topic = f"crt311/{int(qos)}"
    subscribed, _ = connection.subscribe(
        topic,
        qos,
        lambda **said: messages.put((said["topic"], said["payload"], said["qos"], said["retain"])),
    )
    assert subscribed.result(DEADLINE_S)["qos"] == qos
    published, _ = connection.publish(topic, b"hello", qos)
    published.result(DEADLINE_S)
    assert messages.get(timeout=DEADLINE_S) == (topic, b"hello", qos, False)
    connection.disconnect().result(DEADLINE_S)


def test_mqtt_3_1_1_wrong_secret_is_refused(endpoint: Endpoint) -> None:
    connection = mqtt_connection_builder.websockets_with_default_aws_signing(
        clean_session=True, **common(endpoint, "crt311-forged", "wrong")
    )
    with pytest.raises(awscrt.exceptions.AwsCrtError, match="UPGRADE_FAILURE"):
        connection.connect().result(DEADLINE_S)
