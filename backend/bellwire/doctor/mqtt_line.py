"""One MQTT 5 connection that is told why it was refused: version 5 has a reason for everything.

paho does the MQTT; `bellwire.mqtt_socket` is what followers use.
"""

import time
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, Final
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import urllib3
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from urllib3.exceptions import HTTPError

from bellwire.doctor.findings import Verdict

KEEP_ALIVE_S: Final = 60
ANSWERS_WITHIN_S: Final = 10.0
FAILURE: Final = 0x80
"""Reason codes from here on are refusals. Source: MQTT 5, 2.4."""
NOT_AUTHORIZED: Final = 0x87
REFUSALS: Final = {
    NOT_AUTHORIZED,
    0x85,  # Client Identifier not valid
    0x8F,  # Topic Filter invalid
    0x90,  # Topic Name invalid: topics that begin with $ are nobody's to publish to
    0x9E,  # Shared Subscriptions not supported
    0xA2,  # Wildcard Subscriptions not supported
}
TOO_MANY: Final = {0x89, 0x96, 0x97}  # Server busy, Message rate too high, Quota exceeded

UPGRADE: Final = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "mqtt",
}
"""Source of the key: RFC 6455, section 1.3."""


@dataclass(frozen=True, slots=True)
class Said:
    """A reason code and its name, by which packet."""

    packet: str
    code: int
    name: str

    def verdict(self) -> Verdict:
        """Read what it says of what was asked."""
        said = f"{self.packet} 0x{self.code:02x} {self.name}"
        if self.code < FAILURE:
            return Verdict(is_allowed=True, said=said)
        return Verdict(is_allowed=False if self.code in REFUSALS else None, said=said)


def find_refused_upgrade(url: str) -> Said | None:
    """Ask for the websocket by plain HTTP: paho does not tell how it was refused.

    Returns:
        None if it was not, or no answer came. That of a bad signature is 403.
    """
    try:
        answer = urllib3.request(
            "GET",
            url.replace("ws", "http", 1),
            headers=UPGRADE,
            preload_content=False,
            retries=False,
            timeout=ANSWERS_WITHIN_S,
        )
    except HTTPError:
        return None
    answer.close()
    if answer.status == 101:
        return None
    code = NOT_AUTHORIZED if answer.status == 403 else FAILURE
    return Said("upgrade", code, f"HTTP {answer.status}")


class Line:
    """A connection; whatever it is asked is answered within `ANSWERS_WITHIN_S`, or not at all."""

    def __init__(self, url: str, client_id: str) -> None:
        """Prepare to connect to a signed URL."""
        self._url, parts = url, urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "wss" else 80)
        self._answers: Queue[Said] = Queue()
        self._payloads: Queue[bytes] = Queue()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            transport="websockets",
            reconnect_on_failure=False,
        )
        if parts.scheme == "wss":
            self._client.tls_set()
        self._client.ws_set_options(path=f"{parts.path}?{parts.query}")
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = lambda _c, _u, m: self._payloads.put(bytes(m.payload))
        self.is_open = False

    def open(self) -> Said | None:
        """Connect; None if no answer came."""
        try:
            self._client.connect(self._host, self._port, KEEP_ALIVE_S)
        except mqtt.WebsocketConnectionError:
            return find_refused_upgrade(self._url)
        except OSError:
            return None
        self._client.loop_start()
        answer = self._next()
        self.is_open = answer is not None and answer.code < FAILURE
        return answer

    def subscribe(self, topic_filter: str) -> Said | None:
        """Subscribe to one filter at QoS 0."""
        self._client.subscribe(topic_filter, 0)
        return self._next()

    def publish(self, topic: str, payload: bytes, *, is_retained: bool) -> Said | None:
        """Publish at QoS 1, whose answer carries a reason."""
        self._client.publish(topic, payload, qos=1, retain=is_retained)
        return self._next()

    def next_payload(self, within_s: float) -> bytes | None:
        """Return what came next on any subscription."""
        try:
            return self._payloads.get(timeout=within_s)
        except Empty:
            return None

    def wait_for_end(self, within_s: float) -> Said | None:
        """Return how the connection ended; None if it is still there."""
        until_s = time.monotonic() + within_s
        while True:
            try:
                said = self._answers.get(timeout=max(0.0, until_s - time.monotonic()))
            except Empty:
                return None
            if said.packet == "DISCONNECT":
                self.is_open = False
                return said

    def close(self) -> None:
        """Leave."""
        self.is_open = False
        self._client.on_disconnect = None
        self._client.disconnect()
        self._client.loop_stop()
        # Else its sockets are held by a ring of references until somebody looks for those.
        client = self._client
        client.on_connect = client.on_subscribe = client.on_publish = client.on_message = None

    def _next(self) -> Said | None:
        try:
            answer = self._answers.get(timeout=ANSWERS_WITHIN_S)
        except Empty:
            self.is_open = False  # an answer that came now would be taken for the next one's
            return None
        if answer.packet == "DISCONNECT":
            self.is_open = False
        return answer

    def _on_connect(
        self, _c: mqtt.Client, _u: Any, _flags: Any, code: ReasonCode, _p: Properties | None
    ) -> None:
        self._put("CONNACK", code)

    def _on_subscribe(
        self, _c: mqtt.Client, _u: Any, _mid: int, codes: list[ReasonCode], _p: Any
    ) -> None:
        self._put("SUBACK", codes[0])

    def _on_publish(self, _c: mqtt.Client, _u: Any, _mid: int, code: ReasonCode, _p: Any) -> None:
        self._put("PUBACK", code)

    def _on_disconnect(
        self, _c: mqtt.Client, _u: Any, flags: mqtt.DisconnectFlags, code: ReasonCode, _p: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._put("DISCONNECT", code)
        else:
            self._answers.put(Said("DISCONNECT", FAILURE, f"the connection was lost: {code}"))

    def _put(self, packet: str, code: ReasonCode) -> None:
        self._answers.put(Said(packet, code.value, code.getName()))
