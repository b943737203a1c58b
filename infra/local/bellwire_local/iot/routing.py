"""Which connections a topic's messages go to, in groups whose members get the very same bytes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from bellwire_local.iot.connections import Connection
from bellwire_local.iot.mqtt.packets import Version, Wish
from bellwire_local.iot.topics import SubscriptionIndex, is_wildcard

ROUTES_KEPT = 4096

Hears = Literal["all", "others", "own"]
"""Whose messages: MQTT 5's No Local keeps a client's own from it, unless another filter of it, of
a lower QoS, wants them."""


@dataclass(frozen=True, slots=True)
class Audience:
    """What the members of a group have in common; `hears` says whose messages they get here."""

    version: Version
    qos: int
    hears: Hears
    keeps_retain: bool
    maximum_packet_bytes: int | None


Route = tuple[tuple[Audience, tuple[Connection, ...]], ...]

_Found = tuple[Connection, Wish]
_Heard = tuple[Connection, Wish, Hears]


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
        """Return who gets messages on `topic`.

        Unless overlapping filters each have their copy, no message finds a subscriber twice.
        """
        route = self._routes.get(topic)
        if route is None:
            found = self._index.find(topic)
            route = _group(_join(found) if self._overlapping == "one" else _each(found))
            if len(self._routes) >= ROUTES_KEPT:
                self._routes.clear()
            self._routes[topic] = route
        return route

    def _forget_routes(self, topic_filter: str) -> None:
        if is_wildcard(topic_filter):
            self._routes.clear()
        else:
            self._routes.pop(topic_filter, None)


def _each(found: Iterable[_Found]) -> Iterator[_Heard]:
    for connection, wish in found:
        yield connection, wish, "others" if wish.no_local else "all"


def _join(found: Iterable[_Found]) -> Iterator[_Heard]:
    """Keep of a client's overlapping wishes the one with the highest QoS [MQTT-3.3.5-1].

    For its own messages the wishes with No Local do not count [MQTT-3.8.3-3].
    """
    best: dict[Connection, Wish] = {}
    best_for_own: dict[Connection, Wish] = {}
    for connection, wish in found:
        _keep_best(best, connection, wish)
        if not wish.no_local:
            _keep_best(best_for_own, connection, wish)
    for connection, wish in best.items():
        own = best_for_own.get(connection)
        if own is not None and own.qos == wish.qos:
            yield connection, own, "all"
            continue
        yield connection, wish, "others"
        if own is not None:
            yield connection, own, "own"


def _keep_best(best: dict[Connection, Wish], connection: Connection, wish: Wish) -> None:
    known = best.get(connection)
    if known is None or wish.qos > known.qos:
        best[connection] = wish


def _group(found: Iterable[_Heard]) -> Route:
    groups: dict[Audience, list[Connection]] = {}
    for connection, wish, hears in found:
        session = connection.session
        audience = Audience(
            Version.V5 if session.is_v5 else Version.V3_1_1,
            wish.qos,
            hears,
            wish.retain_as_published,
            session.maximum_packet_bytes,
        )
        groups.setdefault(audience, []).append(connection)
    return tuple((audience, tuple(members)) for audience, members in groups.items())
