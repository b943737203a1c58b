"""The few expressions that our code sends to DynamoDB, evaluated; any other is an error.

Known are comparisons, `BETWEEN`, `begins_with`, `attribute_exists` and `attribute_not_exists`,
joined by AND and OR without parentheses, and `SET` with plain values and `if_not_exists`.

Source: Amazon DynamoDB developer guide, "Condition and filter expressions: operators and
functions" and "Update expressions".
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

Item = dict[str, dict[str, Any]]
Values = Mapping[str, dict[str, Any]]
Term = Callable[[Item, Values], bool]

_COMPARISON = re.compile(r"(\w+) (=|<>|<=|>=|<|>) (:\w+)")
_BETWEEN = re.compile(r"(\w+) BETWEEN (:\w+) AND (:\w+)")
_FUNCTION = re.compile(r"(attribute_exists|attribute_not_exists|begins_with)\((\w+)(?:, (:\w+))?\)")
_ASSIGNMENT = re.compile(r"(\w+) = (?:(:\w+)|if_not_exists\((\w+), (:\w+)\))")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class UnknownExpression(AssertionError):
    """An expression, or a use of one, that the memory store does not model."""


def check_values(values: Values, *expressions: str) -> None:
    """Require that every value is used and every one used is given, as DynamoDB does."""
    used = frozenset[str]().union(*map(_names, expressions))
    if used != values.keys():
        raise UnknownExpression(f"expected the values {sorted(used)}, found {sorted(values)}")


def is_true(condition: str, item: Item | None, values: Values) -> bool:
    """Evaluate a condition on an item, or on none."""
    found = item or {}
    return any(
        all(term(found, values) for term in conjunction) for conjunction in _compile(condition)
    )


def assign(expression: str, item: Item, values: Values) -> Item:
    """Carry out `SET a = :a, b = if_not_exists(b, :b)`."""
    if not expression.startswith("SET "):
        raise UnknownExpression(f"expected an update that begins with SET, found {expression!r}")
    changed = dict(item)
    rest = expression.removeprefix("SET ")
    for match in _ASSIGNMENT.finditer(rest):
        name, value, kept, otherwise = match.groups()
        changed[name] = values[value] if value else item.get(kept, values.get(otherwise, {}))
    if _ASSIGNMENT.sub("", rest).strip(", "):
        raise UnknownExpression(f"unknown update {expression!r}")
    return changed


def number_or_text(attribute: dict[str, Any]) -> Any:
    """Turn `{"N": "7"}` into 7 and `{"S": "x"}` into "x"."""
    if "N" in attribute:
        return int(attribute["N"])
    if "S" in attribute:
        return attribute["S"]
    raise UnknownExpression(f"expected a number or a string to compare, found {attribute}")


@cache
def _compile(condition: str) -> tuple[tuple[Term, ...], ...]:
    """Turn a condition into alternatives, each of terms that must all be true."""
    return tuple(tuple(_terms(conjunction)) for conjunction in condition.split(" OR "))


def _terms(conjunction: str) -> Iterator[Term]:
    rest = conjunction
    while True:
        term, length = _first_term(rest)
        yield term
        rest = rest[length:]
        if not rest:
            return
        if not rest.startswith(" AND "):
            raise UnknownExpression(f"unknown condition {conjunction!r}")
        rest = rest.removeprefix(" AND ")


def _first_term(text: str) -> tuple[Term, int]:
    if match := _BETWEEN.match(text):
        return _between(*match.groups()), match.end()
    if match := _COMPARISON.match(text):
        return _comparison(*match.groups()), match.end()
    if match := _FUNCTION.match(text):
        return _function(*match.groups()), match.end()
    raise UnknownExpression(f"unknown condition {text!r}")


def _between(name: str, low: str, high: str) -> Term:
    return lambda item, values: (
        _compare(">=", item.get(name), values[low]) and _compare("<=", item.get(name), values[high])
    )


def _comparison(name: str, sign: str, value: str) -> Term:
    return lambda item, values: _compare(sign, item.get(name), values[value])


def _function(function: str, name: str, value: str | None) -> Term:
    if (function == "begins_with") != (value is not None):
        raise UnknownExpression(f"{function} of {name} and {value}")
    if value is not None:
        return lambda item, values: str(item.get(name, {}).get("S", "")).startswith(
            values[value]["S"]
        )
    return lambda item, _: (name in item) == (function == "attribute_exists")


def _compare(sign: str, found: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    if found is None or found.keys() != wanted.keys():
        return sign == "<>"
    return _OPERATORS[sign](number_or_text(found), number_or_text(wanted))


@cache
def _names(expression: str) -> frozenset[str]:
    return frozenset(re.findall(r":\w+", expression))
