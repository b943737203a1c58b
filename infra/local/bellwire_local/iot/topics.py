"""Topic names and filters by AWS's rules, and the index that finds who subscribes to a topic.

AWS departs from the MQTT standard: `a/#` does not match `a`.
Source: https://docs.aws.amazon.com/iot/latest/developerguide/topics.html
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bellwire_local.iot.limits import STRICT, Limits

Subscriber = TypeVar("Subscriber", bound=Hashable)
Wanted = TypeVar("Wanted")


def find_topic_fault(name: str, limits: Limits = STRICT) -> str | None:
    """Say what makes `name` unusable as a topic or filter on AWS, or None if nothing does."""
    size_bytes = len(name.encode())
    if size_bytes == 0:  # [MQTT-4.7.3-1]
        return "it is empty"
    if size_bytes > limits.topic_bytes:
        return f"it has {size_bytes} bytes; at most {limits.topic_bytes} are allowed"
    if name.count("/") > limits.topic_slashes:
        return f"it has {name.count('/')} slashes; at most {limits.topic_slashes} are allowed"
    return None


def find_filter_fault(topic_filter: str, limits: Limits = STRICT) -> str | None:
    """Say what makes `topic_filter` unusable, or None. Source: [MQTT-4.7.1-2], [MQTT-4.7.1-3]."""
    levels = topic_filter.split("/")
    if any("#" in level and level != "#" for level in levels) or "#" in levels[:-1]:
        return "'#' must be a whole level and the last one"
    if any("+" in level and level != "+" for level in levels):
        return "'+' must be a whole level"
    return find_topic_fault(topic_filter, limits)


def is_wildcard(topic_filter: str) -> bool:
    """Whether the filter can match more than one topic."""
    return "+" in topic_filter or "#" in topic_filter


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a message on `topic` belongs to a subscription to `topic_filter`."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):  # [MQTT-4.7.2-1]
        return False
    for place, want in enumerate(wanted):
        if want == "#":
            return len(levels) > place
        if place >= len(levels) or want not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)


@dataclass(slots=True)
class _Node(Generic[Subscriber, Wanted]):
    """One level of the tree of wildcard filters."""

    below: "dict[str, _Node[Subscriber, Wanted]]" = field(default_factory=dict)
    here: dict[Subscriber, Wanted] = field(default_factory=dict)


class SubscriptionIndex(Generic[Subscriber, Wanted]):
    """Who subscribes to what: exact filters in a table, wildcard filters in a tree of levels.

    With each subscription stands what the subscriber wants of it.
    """

    def __init__(self) -> None:
        self._exact: dict[str, dict[Subscriber, Wanted]] = {}
        self._tree: _Node[Subscriber, Wanted] = _Node()

    def add(self, topic_filter: str, subscriber: Subscriber, wanted: Wanted) -> None:
        """Enter one subscription; a repeated one replaces what was wanted."""
        if not is_wildcard(topic_filter):
            self._exact.setdefault(topic_filter, {})[subscriber] = wanted
            return
        node = self._tree
        for level in topic_filter.split("/"):
            node = node.below.setdefault(level, _Node())
        node.here[subscriber] = wanted

    def remove(self, topic_filter: str, subscriber: Subscriber) -> None:
        """Take one subscription out; one that is not there changes nothing."""
        if is_wildcard(topic_filter):
            _remove(self._tree, topic_filter.split("/"), subscriber)
            return
        subscribers = self._exact.get(topic_filter, {})
        subscribers.pop(subscriber, None)
        if not subscribers:
            self._exact.pop(topic_filter, None)

    def find(self, topic: str) -> list[tuple[Subscriber, Wanted]]:
        """Return each matching subscription: a subscriber as often as its filters overlap."""
        found = list(self._exact.get(topic, {}).items())
        _collect(self._tree, topic.split("/"), found, reserved=topic.startswith("$"))
        return found


def _remove(node: _Node[Subscriber, Wanted], levels: list[str], subscriber: Subscriber) -> None:
    if not levels:
        node.here.pop(subscriber, None)
        return
    child = node.below.get(levels[0])
    if child is None:
        return
    _remove(child, levels[1:], subscriber)
    if not child.here and not child.below:
        del node.below[levels[0]]


def _collect(
    node: _Node[Subscriber, Wanted],
    levels: list[str],
    found: list[tuple[Subscriber, Wanted]],
    *,
    reserved: bool,
) -> None:
    if not levels:
        found.extend(node.here.items())
        return
    if not reserved:
        if "#" in node.below:
            found.extend(node.below["#"].here.items())
        if "+" in node.below:
            _collect(node.below["+"], levels[1:], found, reserved=False)
    if levels[0] in node.below:
        _collect(node.below[levels[0]], levels[1:], found, reserved=False)
