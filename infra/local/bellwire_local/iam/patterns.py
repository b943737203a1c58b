"""Texts of a policy that may hold `*`, `?` and variables: read once, then held against subjects.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from bellwire_local.errors import PolicyRefused

Context = Mapping[str, str | tuple[str, ...]]
"""What is known of a request, by condition key in AWS's spelling:
`{"iot:ClientId": "tab-1", "cognito-identity.amazonaws.com:amr": ("authenticated",)}`
"""

Part = tuple[Literal["text", "wildcard", "variable"], str]

_TOKENS = re.compile(r"\$\{([^}]*)\}|([*?])|([^*?$]+|\$)", re.DOTALL)
_PLACEHOLDERS = re.compile(r"(?<!\$)\{(region|account|stage)\}")
_EXPRESSIONS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Pattern:
    """One text of a policy; `variables` are the keys it needs a value for."""

    source: str
    parts: tuple[Part, ...]
    ignore_case: bool = False
    variables: tuple[str, ...] = ()
    _fixed: re.Pattern[str] | None = field(default=None, compare=False, repr=False)

    def matches(self, subject: str, context: Context) -> bool:
        """Whether the whole of `subject` fits; a variable without one value fits nothing."""
        expression = self._fixed or self._expression_in(context)
        return expression is not None and expression.fullmatch(subject) is not None

    def _expression_in(self, context: Context) -> re.Pattern[str] | None:
        values = []
        for name in self.variables:
            value = context.get(name)
            if not isinstance(value, str):  # several values cannot stand in one place
                return None
            values.append(value)
        return _compile(self.parts, tuple(values), ignore_case=self.ignore_case)


def read_pattern(
    where: str,
    text: object,
    *,
    variables: frozenset[str],
    has_wildcards: bool = True,
    ignore_case: bool = False,
) -> Pattern:
    """Read one text.

    Args:
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
    needed = tuple(value for kind, value in parts if kind == "variable")
    fixed = None if needed else _compile(parts, (), ignore_case=ignore_case)
    return Pattern(text, parts, ignore_case, needed, fixed)


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


def find_key(written: str, keys: Iterable[str]) -> str | None:
    """Return the key meant by `written`, whose case does not count, in AWS's spelling."""
    return next((key for key in keys if key.lower() == written.lower()), None)


@lru_cache(maxsize=_EXPRESSIONS_KEPT)
def _compile(
    parts: tuple[Part, ...], values: tuple[str, ...], *, ignore_case: bool
) -> re.Pattern[str]:
    """Make the expression; `values` are those of the variables, in their order.

    Between two `*` the earliest fit is as good as any, so nothing is tried twice: a policy of a
    thousand `*` costs no more than its length times the subject's.
    """
    given = iter(values)
    runs = [""]
    for kind, value in parts:
        if kind == "wildcard" and value == "*":
            runs.append("")
        elif kind == "wildcard":
            runs[-1] += "."
        else:
            runs[-1] += re.escape(value if kind == "text" else next(given))
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    if len(runs) == 1:
        return re.compile(runs[0], flags)
    first, *between, last = runs
    middle = "".join(f"(?>.*?{run})" for run in between if run)
    return re.compile(f"{first}{middle}.*{last}", flags)
