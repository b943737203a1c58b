"""Patterns: by a slow matcher of our own, by segments of an ARN, and in bounded time."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.patterns import escape, read_pattern

NONE: frozenset[str] = frozenset()
TEXTS = st.text(st.sampled_from("ab*?.+\n$"), max_size=8)


def _fits(pattern: str, subject: str) -> bool:
    """Match by definition: `*` is nothing, or one character and itself again."""
    if not pattern:
        return not subject
    if pattern[0] == "*":
        return _fits(pattern[1:], subject) or (bool(subject) and _fits(pattern, subject[1:]))
    return bool(subject) and pattern[0] in ("?", subject[0]) and _fits(pattern[1:], subject[1:])


@given(pattern=TEXTS.filter(bool), subject=TEXTS)
@example(pattern="*a*ab*b", subject="aabab")
@example(pattern="**?*", subject="a")
def test_a_pattern_matches_by_definition(pattern: str, subject: str) -> None:
    assert read_pattern("p", pattern, variables=NONE).matches(subject, {}) is _fits(
        pattern, subject
    )


@given(text=TEXTS.filter(bool), other=TEXTS)
def test_an_escaped_text_matches_itself_alone(text: str, other: str) -> None:
    pattern = read_pattern("p", escape(text), variables=NONE)
    assert pattern.matches(text, {})
    assert pattern.matches(other, {}) is (other == text)


ARN = "arn:aws:iot:us-east-1:000000000000:topic/a:b/c"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", True),
        ("arn:aws:iot:us-east-1:000000000000:topic/*", True),
        ("arn:aws:iot:us-east-1:000000000000:*", True),
        ("arn:aws:iot:us-east-1:*", True),
        ("arn:aws:iot:*", True),
        ("arn:aws:iot:eu-*", False),
        ("arn:aws:iot:*:*:topic/a*", True),
        ("arn:aws:iot:us-*-?:0*0:topic/*", True),
        ("arn:aws:iot:*:topic/a:b/c", False),
        ("arn:*:topic/a:b/c", False),
        ("arn:aws:iot:us-east-1?000000000000:topic/*", False),
        ("arn:*", True),
    ],
)
def test_a_wildcard_stays_within_an_arns_segment(pattern: str, *, expected: bool) -> None:
    read = read_pattern("p", pattern, variables=NONE, is_resource=True)
    assert read.matches(ARN, {}) is expected


@pytest.mark.parametrize("prefix", ["", "arn:aws:iot:"])
def test_a_pattern_of_many_stars_takes_no_time(prefix: str) -> None:
    pattern = read_pattern("p", prefix + "*a" * 500 + "b", variables=NONE, is_resource=True)
    began_s = time.process_time()
    assert not pattern.matches(prefix + "a" * 1000, {})
    assert time.process_time() - began_s < 1.0


def test_values_are_no_patterns() -> None:
    keys = frozenset({"iot:ClientId"})
    pattern = read_pattern("p", "x/${IOT:clientid}*", variables=keys)
    assert pattern.variables == ("iot:ClientId",)
    assert pattern.matches("x/a.b/c", {"iot:ClientId": "a.b"})
    assert not pattern.matches("x/axb", {"iot:ClientId": "a.b"})
    assert not pattern.matches("x/anything", {"iot:ClientId": "*"})
    assert not pattern.matches("x/a", {"iot:ClientId": ("a",)})
    assert not pattern.matches("x/a", {})


def test_another_variable_is_refused() -> None:
    with pytest.raises(PolicyRefused, match="is not resolved here"):
        read_pattern("p", "${iot:ClientId}", variables=NONE)
