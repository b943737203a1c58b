"""A broker with sockets of memory and a clock moved by hand."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bellwire_local.identity.principals import Principal
from bellwire_local.iot import mqtt
from bellwire_local.iot.authorization import Authorizer
from bellwire_local.iot.broker import Broker, Connection
from bellwire_local.iot.choices import DEFAULT_CHOICES, Choices
from bellwire_local.iot.limits import STRICT, Limits

ANYONE = Principal("000000000000", "role", "someone")


def role_allowing(*resources: str) -> dict[str, object]:
    statement = {"Effect": "Allow", "Action": "iot:*", "Resource": list(resources)}
    return {"Version": "2012-10-17", "Statement": [statement]}


@dataclass
class MemoryOutlet:
    """What a client would have read."""

    sent: list[bytes] = field(default_factory=list)
    stalled: bool = False
    is_closed: bool = False
    is_read: bool = True
    version: mqtt.Version = mqtt.Version.V3_1_1

    def send(self, encoded: bytes) -> None:
        self.sent.append(encoded)

    @property
    def is_stalled(self) -> bool:
        return self.stalled

    @property
    def is_unread(self) -> bool:
        return self.stalled

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def read(self) -> list[mqtt.Packet]:
        """Return what arrived since the last look."""
        stream, self.sent = b"".join(self.sent), []
        return list(mqtt.Decoder(1_000_000, self.version).feed(stream))


class World:
    """A broker, its policies and its clock."""

    def __init__(
        self,
        role: Mapping[str, object] | None = None,
        *,
        limits: Limits = STRICT,
        choices: Choices = DEFAULT_CHOICES,
    ) -> None:
        self.now_s = 1000.0
        self._numbers = itertools.count()
        self.authorizer = Authorizer("us-east-1", "1", {"role": role or role_allowing("*")})
        self.broker = Broker(
            self.authorizer,
            monotonic_s=lambda: self.now_s,
            wall_clock_s=lambda: self.now_s,
            limits=limits,
            choices=choices,
            new_uuid=lambda: f"00000000-0000-0000-0000-{next(self._numbers):012}",
        )

    def open(self, version: mqtt.Version = mqtt.Version.V3_1_1) -> tuple[Connection, MemoryOutlet]:
        outlet = MemoryOutlet(version=version)
        return self.broker.open(outlet, ANYONE, "127.0.0.1", 50_000), outlet

    def join(
        self,
        client_id: str,
        *filters: str | mqtt.Wish,
        version: mqtt.Version = mqtt.Version.V3_1_1,
        properties: mqtt.Properties | None = None,
    ) -> tuple[Connection, MemoryOutlet]:
        """Connect with a keep-alive of 60 s and subscribe."""
        connection, outlet = self.open(version)
        said = properties or mqtt.Properties()
        connect = mqtt.Connect(client_id, keep_alive_s=60, version=version, properties=said)
        self.say(connection, connect)
        wishes = [mqtt.Wish(wish) if isinstance(wish, str) else wish for wish in filters]
        for start in range(0, len(wishes), 8):
            self.say(connection, mqtt.Subscribe(1, tuple(wishes[start : start + 8])))
        outlet.read()
        return connection, outlet

    def say(self, connection: Connection, *packets: mqtt.Packet) -> None:
        """Send packets as the client would, in the version it connects with."""
        version = connection.session.version
        for packet in packets:
            version = packet.version if isinstance(packet, mqtt.Connect) else version
        encoded = b"".join(mqtt.encode(packet, version) for packet in packets)
        self.broker.receive(connection, encoded)

    def watch(self, topic_filter: str = "$aws/events/#") -> MemoryOutlet:
        """Join a client that hears lifecycle events."""
        return self.join("watcher", topic_filter)[1]


def events(outlet: MemoryOutlet) -> list[tuple[str, dict[str, Any]]]:
    """Return the topics and contents of the lifecycle events that have arrived."""
    return [
        (packet.topic, json.loads(packet.payload))
        for packet in outlet.read()
        if isinstance(packet, mqtt.Publish)
    ]
