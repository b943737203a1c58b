"""Texts of a policy that may hold `*`, `?` and variables: read once, then held against subjects.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from bellwire_local.errors import PolicyRefused

Context = Mapping[str, str | tuple[str, ...]]
"""What is known of a request, by condition key in AWS's spelling:
`{"iot:ClientId": "tab-1", "cognito-identity.amazonaws.com:amr": ("authenticated",)}`
"""

Part = tuple[Literal["text", "wildcard", "inner wildcard", "variable"], str]
"""A piece of a pattern; an inner wildcard stays within one of an ARN's first five segments."""

_TOKENS = re.compile(r"\$\{([^}]*)\}|([*?])|([^*?$]+|\$)", re.DOTALL)
_PLACEHOLDERS = re.compile(r"(?<!\$)\{(region|account|stage)\}")
_MATCHERS_KEPT = 4096
_ARN_COLONS = 5


@dataclass(frozen=True, slots=True)
class Pattern:
    """One text of a policy; `variables` are the keys it needs a value for."""

    source: str
    parts: tuple[Part, ...]
    ignore_case: bool = False
    variables: tuple[str, ...] = ()

    def matches(self, subject: str, context: Context) -> bool:
        """Whether the whole of `subject` fits; a variable without one value fits nothing."""
        values = []
        for name in self.variables:
            value = context.get(name)
            if not isinstance(value, str):  # several values cannot stand in one place
                return False
            values.append(value)
        return _make_matcher(self.parts, tuple(values), self.ignore_case)(subject)


def read_pattern(
    where: str,
    text: object,
    *,
    variables: frozenset[str],
    has_wildcards: bool = True,
    ignore_case: bool = False,
    is_resource: bool = False,
) -> Pattern:
    """Read one text.

    Args:
        is_resource: whether an ARN is to be read by its segments: a wildcard before the fifth colon
            stays within its segment, and segments that are missing are `*`.
            Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
        variables: the keys that have a value where the policy is used.
        has_wildcards: whether `*` and `?` stand for other characters; else they are themselves.

    Raises:
        PolicyRefused: it is no text, holds another variable, or a placeholder of ours.
    """
    if not isinstance(text, str) or not text:
        raise PolicyRefused(f"{where} holds {text!r}; a text is expected")
    left_over = _PLACEHOLDERS.search(text)
    if left_over:
        raise PolicyRefused(f"{where}: the placeholder {left_over[0]} was not replaced in {text!r}")
    parts = tuple(
        _read_part(where, token, variables, has_wildcards=has_wildcards)
        for token in _TOKENS.finditer(text)
    )
    if is_resource and text.startswith("arn:"):
        parts = _by_segments(parts)
    needed = tuple(value for kind, value in parts if kind == "variable")
    return Pattern(text, parts, ignore_case, needed)


def escape(text: str) -> str:
    """Write a text so that a policy takes its `*`, `?` and `$` literally."""
    return "".join(f"${{{char}}}" if char in "*?$" else char for char in text)


def _read_part(
    where: str, token: re.Match[str], variables: frozenset[str], *, has_wildcards: bool
) -> Part:
    variable, wildcard, text = token.groups()
    if wildcard:
        return ("wildcard" if has_wildcards else "text"), wildcard
    if text:
        return "text", text
    if variable in ("*", "?", "$"):  # how a policy writes these characters themselves
        return "text", variable
    known = find_key(variable, variables)
    if known is None:
        raise PolicyRefused(f"{where}: the variable ${{{variable}}} is not resolved here")
    return "variable", known


def _by_segments(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    colons, told = 0, []
    for kind, value in parts:
        if kind == "text":
            colons += value.count(":")
        is_inner = kind == "wildcard" and colons < _ARN_COLONS
        told.append(("inner wildcard" if is_inner else kind, value))
    missing: tuple[Part, ...] = (("text", ":"), ("wildcard", "*"))
    return (*told, *missing * (_ARN_COLONS - colons))


def find_key(written: str, keys: Iterable[str]) -> str | None:
    """Return the key meant by `written`, whose case does not count, in AWS's spelling."""
    return next((key for key in keys if key.lower() == written.lower()), None)


@lru_cache(maxsize=_MATCHERS_KEPT)
def _make_matcher(
    parts: tuple[Part, ...],
    values: tuple[str, ...],
    ignore_case: bool,  # noqa: FBT001 - by place, for the cache
) -> Callable[[str], bool]:
    """Make what tells whether a subject fits; `values` are those of the variables, in order.

    Nearly all patterns are a text, or one that a `*` ends: they need no expression.
    """
    given = iter(values)
    read = [("text", next(given)) if kind == "variable" else (kind, value) for kind, value in parts]
    has_end = bool(read) and read[-1] == ("wildcard", "*")
    pieces = read[:-1] if has_end else read
    if ignore_case or any(kind != "text" for kind, _ in pieces):
        expression = _compile(read, ignore_case=ignore_case)
        return lambda subject: expression.fullmatch(subject) is not None
    text = "".join(value for _, value in pieces)
    return (lambda subject: subject.startswith(text)) if has_end else text.__eq__


def _compile(read: list[tuple[str, str]], *, ignore_case: bool) -> re.Pattern[str]:
    """Make the expression.

    Between two `*` the earliest fit is as good as any, so nothing is tried twice: a policy of a
    thousand `*` costs no more than its length times the subject's.
    """
    runs, gaps = [""], []
    for kind, value in read:
        any_character = "[^:]" if kind == "inner wildcard" else "."
        if kind == "text":
            runs[-1] += re.escape(value)
        elif value == "?":
            runs[-1] += any_character
        else:
            gaps.append(any_character)
            runs.append("")
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    *between, last = zip(gaps, runs[1:], strict=True) if gaps else [("", "")]
    middle = "".join(f"(?>{gap}*?{run})" for gap, run in between if run)
    end = f"{last[0]}*{last[1]}" if gaps else ""
    return re.compile(f"{runs[0]}{middle}{end}", flags)
