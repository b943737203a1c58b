"""Which connections a topic's messages go to, in groups whose members get the very same bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bellwire_local.iot.connections import Connection
from bellwire_local.iot.mqtt.packets import Version, Wish
from bellwire_local.iot.topics import SubscriptionIndex, is_wildcard

ROUTES_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Audience:
    """What the members of a group have in common."""

    version: Version
    qos: int
    no_local: bool
    keeps_retain: bool
    maximum_packet_bytes: int | None


Route = tuple[tuple[Audience, tuple[Connection, ...]], ...]


class Router:
    """Subscriptions and, for topics in use, the routes made of them."""

    def __init__(self, overlapping: Literal["one", "each"]) -> None:
        self._index: SubscriptionIndex[Connection, Wish] = SubscriptionIndex()
        self._overlapping = overlapping
        self._routes: dict[str, Route] = {}

    def add(self, connection: Connection, wish: Wish) -> None:
        """Enter one subscription, in place of an earlier one of the same filter."""
        self._index.add(wish.topic_filter, connection, wish)
        self._forget_routes(wish.topic_filter)

    def remove(self, connection: Connection, topic_filter: str) -> None:
        """Take one subscription out."""
        self._index.remove(topic_filter, connection)
        self._forget_routes(topic_filter)

    def route(self, topic: str) -> Route:
        """Return who gets messages on `topic`, each subscriber in one group."""
        route = self._routes.get(topic)
        if route is None:
            found: Iterable[tuple[Connection, Wish]] = self._index.find(topic)
            route = _group(_join(found) if self._overlapping == "one" else found)
            if len(self._routes) >= ROUTES_KEPT:
                self._routes.clear()
            self._routes[topic] = route
        return route

    def _forget_routes(self, topic_filter: str) -> None:
        if is_wildcard(topic_filter):
            self._routes.clear()
        else:
            self._routes.pop(topic_filter, None)


def _join(found: Iterable[tuple[Connection, Wish]]) -> Iterable[tuple[Connection, Wish]]:
    """Keep of a client's overlapping wishes the one with the highest QoS [MQTT-3.3.5-1]."""
    best: dict[Connection, Wish] = {}
    for connection, wish in found:
        known = best.get(connection)
        if known is None or wish.qos > known.qos:
            best[connection] = wish
    return best.items()


def _group(found: Iterable[tuple[Connection, Wish]]) -> Route:
    groups: dict[Audience, list[Connection]] = {}
    for connection, wish in found:
        session = connection.session
        audience = Audience(
            Version.V5 if session.is_v5 else Version.V3_1_1,
            wish.qos,
            wish.no_local,
            wish.retain_as_published,
            session.maximum_packet_bytes,
        )
        groups.setdefault(audience, []).append(connection)
    return tuple((audience, tuple(members)) for audience, members in groups.items())
