"""One MQTT connection over a websocket, as a source of events. paho does the MQTT."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

KEEP_ALIVE_S = 30
MAX_FILTERS = 8  # AWS IoT Core quota "subscriptions per subscribe call"


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Every topic was granted."""


@dataclass(frozen=True, slots=True)
class Message:
    """A payload came."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is gone, or was never had; `reason` in words."""

    reason: str


SocketEvent = Subscribed | Message | Closed


class MqttSocket:
    """Connects once, subscribes, and reports; it never reconnects by itself.

    A reconnect needs a newly signed URL, which is its owner's to make.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        topics: Sequence[str],
        report: Callable[[SocketEvent], object],
    ) -> None:
        self._topics = topics
        self._awaited: set[int] = set()
        self._report = report
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
            transport="websockets",
            reconnect_on_failure=False,
        )
        parts = urlsplit(url)
        if parts.scheme == "wss":
            self._client.tls_set()
        self._client.ws_set_options(path=f"{parts.path}?{parts.query}")
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        try:
            self._client.connect(parts.hostname or "", port, KEEP_ALIVE_S)
            self._client.loop_start()
        except OSError as error:
            report(Closed(str(error)))

    def close(self) -> None:
        """Leave; no event comes after this."""
        self._client.on_disconnect = None
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: mqtt.Client, _: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            return  # paho closes next, and on_disconnect tells
        for at in range(0, len(self._topics), MAX_FILTERS):
            filters = [(topic, 0) for topic in self._topics[at : at + MAX_FILTERS]]
            _, packet_id = client.subscribe(filters)
            if packet_id is not None:
                self._awaited.add(packet_id)

    def _on_subscribe(
        self,
        client: mqtt.Client,
        _: Any,
        packet_id: int,
        reasons: list[ReasonCode],
        _properties: Any,
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._report(Closed(f"subscription refused: {refused[0]}"))
            client.on_disconnect = None
            client.disconnect()
            return
        self._awaited.discard(packet_id)
        if not self._awaited:
            self._report(Subscribed())

    def _on_message(self, _client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        self._report(Message(bytes(message.payload)))

    def _on_disconnect(
        self, _client: mqtt.Client, _: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self._report(Closed(str(reason)))
