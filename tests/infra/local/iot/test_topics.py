"""Matching by AWS's rules, and the index against plain matching."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.iot.topics import (
    SubscriptionIndex,
    find_filter_fault,
    find_topic_fault,
    matches,
)

levels = st.sampled_from(["a", "b", "", "$x"])
topics = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
filters = (
    st.tuples(st.lists(st.sampled_from(["a", "b", "", "$x", "+"]), max_size=4), st.booleans())
    .map(lambda drawn: "/".join([*drawn[0], "#"] if drawn[1] else drawn[0]))
    .filter(bool)
)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/B", False),
        ("a/b", "a/b/c", False),
        ("a/#", "a/b", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a/", True),
        ("a/#", "a", False),  # the MQTT standard says True
        ("#", "a", True),
        ("#", "/", True),
        ("#", "$aws/x", False),
        ("+/x", "$aws/x", False),
        ("$aws/+", "$aws/x", True),
        ("$aws/#", "$aws/x/y", True),
        ("+", "a", True),
        ("+", "a/b", False),
        ("+/+", "/a", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
    ],
)
def test_matching(topic_filter: str, topic: str, *, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected
    index: SubscriptionIndex[str, int] = SubscriptionIndex()
    index.add(topic_filter, "someone", 7)
    assert index.find(topic) == ([("someone", 7)] if expected else [])


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a/b/c/d/e/f/g/h", None),
        ("a/b/c/d/e/f/g/h/i", "8 slashes; at most 7"),
        ("x" * 256, None),
        ("x" * 257, "257 bytes; at most 256"),
        ("é" * 129, "258 bytes; at most 256"),
        ("", "empty"),
    ],
)
def test_topic_limits(name: str, fault: str | None) -> None:
    found = find_topic_fault(name)
    assert (found is None) if fault is None else (fault in str(found))


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [("#", True), ("+/+/#", True), ("a/#/b", False), ("a#", False), ("a/b+", False), ("", False)],
)
def test_filter_form(name: str, *, is_valid: bool) -> None:
    assert (find_filter_fault(name) is None) is is_valid


changes = st.lists(
    st.tuples(st.booleans(), filters, st.integers(0, 3), st.integers(0, 1)), max_size=30
)


@given(changes, st.lists(topics, min_size=1, max_size=5))
def test_index_agrees_with_matching(
    changed: list[tuple[bool, str, int, int]], published: list[str]
) -> None:
    index: SubscriptionIndex[int, int] = SubscriptionIndex()
    held: dict[tuple[str, int], int] = {}
    for is_added, topic_filter, subscriber, wanted in changed:
        if is_added:
            index.add(topic_filter, subscriber, wanted)
            held[topic_filter, subscriber] = wanted
        else:
            index.remove(topic_filter, subscriber)
            held.pop((topic_filter, subscriber), None)
        for topic in published:
            expected = [(who, qos) for (name, who), qos in held.items() if matches(name, topic)]
            assert sorted(index.find(topic)) == sorted(expected)
