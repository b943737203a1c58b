"""The Condition element: read strictly, then asked whether it holds in a request's context.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

import ipaddress
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.patterns import Context, find_key, read_pattern

CURRENT_TIME = "aws:CurrentTime"
SOURCE_IP = "aws:SourceIp"
CLIENT_ID = "iot:ClientId"
CONNECT_ATTRIBUTES = "iot:ConnectAttributes"
COGNITO_SUB = "cognito-identity.amazonaws.com:sub"
COGNITO_AUD = "cognito-identity.amazonaws.com:aud"
COGNITO_AMR = "cognito-identity.amazonaws.com:amr"

MULTIVALUED_KEYS = frozenset({COGNITO_AMR, CONNECT_ATTRIBUTES})
"""Keys that hold several values; a condition must say of which ones it speaks."""

KEYS = frozenset({CURRENT_TIME, SOURCE_IP, COGNITO_SUB, COGNITO_AUD}) | MULTIVALUED_KEYS
"""The keys that a Condition may name, unless it is read for another place."""

VARIABLES = frozenset({COGNITO_SUB, COGNITO_AUD, CLIENT_ID, SOURCE_IP})
"""The keys that may stand as `${…}` in a Resource or in a condition's value."""

SetQuantifier = Literal["", "ForAnyValue", "ForAllValues"]


@dataclass(frozen=True, slots=True)
class Test:
    """One value of the policy; `fits` holds one value of the request against it."""

    fits: Callable[[str, Context], bool]
    variables: tuple[str, ...] = ()


ReadTest = Callable[[str, object, frozenset[str]], Test]
"""Words to complain with, a policy's value, the variables it may hold → its test."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key.

    `is_negated` is true for the operators with Not, which hold when none of the values fits.
    """

    key: str
    tests: tuple[Test, ...]
    is_negated: bool = False
    if_exists: bool = False
    quantifier: SetQuantifier = ""

    @property
    def excluded_by(self) -> tuple[str, ...]:
        """The variables of an operator with Not."""
        return tuple(key for test in self.tests for key in test.variables if self.is_negated)

    def holds(self, context: Context) -> bool:
        """Whether the request's values of the key are as the policy wants them."""
        found = context.get(self.key, ())
        values = (found,) if isinstance(found, str) else found
        if not values:
            return self._holds_without_key()
        asked = (self._holds_for(value, context) for value in values)
        return any(asked) if self.quantifier == "ForAnyValue" else all(asked)

    def _holds_without_key(self) -> bool:
        if self.if_exists or self.quantifier == "ForAllValues":
            return True
        return self.is_negated and not self.quantifier

    def _holds_for(self, value: str, context: Context) -> bool:
        return any(test.fits(value, context) for test in self.tests) != self.is_negated


@dataclass(frozen=True, slots=True)
class NullCondition:
    """`Null`: whether the request has the key at all."""

    key: str
    is_absent: bool
    excluded_by: tuple[str, ...] = ()

    def holds(self, context: Context) -> bool:
        """Whether the key's presence is as the policy wants it."""
        return (not context.get(self.key)) is self.is_absent


AnyCondition = Condition | NullCondition


def read_conditions(
    where: str,
    element: object,
    *,
    keys: frozenset[str] = KEYS,
    variables: frozenset[str] = VARIABLES,
) -> tuple[AnyCondition, ...]:
    """Read `{"StringEquals": {"aws:SourceIp": ["10.0.0.1"]}}`; all of them must hold.

    Args:
        keys: what may be asked about where the policy is used.
        variables: what may stand as `${…}` in a value there.

    Raises:
        PolicyRefused: an operator, key or value that is not enforced here.
    """
    if not isinstance(element, Mapping):
        raise PolicyRefused(f"{where}: Condition is {element!r}; an object is expected")
    read = []
    for name, by_key in element.items():
        if not isinstance(by_key, Mapping):
            raise PolicyRefused(f"{where}: Condition {name} is {by_key!r}; an object is expected")
        for key, listed in by_key.items():
            known = _known_key(where, str(key), keys)
            read.append(_read_one(where, str(name), known, listed, variables))
    return tuple(read)


@dataclass(frozen=True, slots=True)
class _Operator:
    """An operator without what may stand around its name."""

    read_value: ReadTest
    is_negated: bool = False


def _known_key(where: str, key: str, keys: frozenset[str]) -> str:
    known = find_key(key, keys)
    if known is None:
        expected = ", ".join(sorted(keys))
        raise PolicyRefused(
            f"{where}: the condition key {key!r} is not enforced here; these are: {expected}"
        )
    return known


def _read_one(
    where: str, name: str, known: str, listed: object, variables: frozenset[str]
) -> AnyCondition:
    place = f"{where}: Condition {name} of {known}"
    values = listed if isinstance(listed, list) else [listed]
    if not values:
        raise PolicyRefused(f"{place} has no value")
    if name == "Null":
        return _read_null(place, known, values)
    quantifier, base, if_exists = _take_apart(name)
    found = _OPERATORS.get(base)
    if found is None:
        raise PolicyRefused(f"{where}: the condition operator {name!r} is not enforced")
    if known in MULTIVALUED_KEYS and not quantifier:
        raise PolicyRefused(f"{place} needs ForAnyValue: or ForAllValues:, the key has many values")
    if quantifier == "ForAnyValue" and if_exists:
        raise PolicyRefused(f"{place}: what IfExists means with ForAnyValue is not documented")
    tests = tuple(found.read_value(place, value, variables) for value in values)
    return Condition(known, tests, found.is_negated, if_exists, quantifier)


def _read_null(place: str, key: str, values: list[object]) -> NullCondition:
    if len(values) != 1:
        raise PolicyRefused(f"{place} holds {len(values)} values; one is expected")
    return NullCondition(key, is_absent=_read_bool(place, values[0]))


def _take_apart(name: str) -> tuple[SetQuantifier, str, bool]:
    prefix, _, rest = name.rpartition(":")
    quantifier: SetQuantifier = ""
    if prefix == "ForAnyValue":
        quantifier = "ForAnyValue"
    elif prefix == "ForAllValues":
        quantifier = "ForAllValues"
    elif prefix:
        return "", name, False
    base = rest.removesuffix("IfExists")
    return quantifier, base, base != rest


def _read_bool(where: str, value: object) -> bool:
    text = str(value).lower() if isinstance(value, bool | str) else ""
    if text not in ("true", "false"):
        raise PolicyRefused(f"{where} holds {value!r}; true or false is expected")
    return text == "true"


def _bool_test(where: str, value: object, _variables: frozenset[str]) -> Test:
    wanted = _read_bool(where, value)
    return Test(lambda found, _context: found.lower() == str(wanted).lower())


def _text_reader(*, has_wildcards: bool, ignore_case: bool = False) -> ReadTest:
    def read(where: str, value: object, variables: frozenset[str]) -> Test:
        pattern = read_pattern(
            where,
            value,
            variables=variables,
            has_wildcards=has_wildcards,
            ignore_case=ignore_case,
        )
        return Test(pattern.matches, pattern.variables)

    return read


def _network_test(where: str, value: object, _variables: frozenset[str]) -> Test:
    try:
        network = ipaddress.ip_network(str(value), strict=False)
    except ValueError as error:
        raise PolicyRefused(f"{where} holds {value!r}; an address range is expected") from error

    def is_inside(found: str, _context: Context) -> bool:
        try:
            return ipaddress.ip_address(found) in network
        except ValueError:
            return False

    return Test(is_inside)


_Compare = Callable[[float, float], bool]


def _ordered_reader(
    read_number: Callable[[str], float], expected: str, compare: _Compare
) -> ReadTest:
    def read(where: str, value: object, _variables: frozenset[str]) -> Test:
        try:
            bound = read_number(str(value))
        except ValueError as error:
            raise PolicyRefused(f"{where} holds {value!r}; {expected} is expected") from error

        def stands(found: str, _context: Context) -> bool:
            try:
                return compare(read_number(found), bound)
            except ValueError:
                return False

        return Test(stands)

    return read


def _seconds_of(text: str) -> float:
    """Read an ISO 8601 date, or seconds since 1970, as AWS does."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _make_operators() -> Mapping[str, _Operator]:
    made = {"Bool": _Operator(_bool_test)}
    for base, read in (
        ("String{}Equals", _text_reader(has_wildcards=False)),
        ("String{}EqualsIgnoreCase", _text_reader(has_wildcards=False, ignore_case=True)),
        ("String{}Like", _text_reader(has_wildcards=True)),
        ("{}IpAddress", _network_test),
    ):
        made[base.format("")] = _Operator(read)
        made[base.format("Not")] = _Operator(read, is_negated=True)
    for kind, read_number, expected in (
        ("Numeric", float, "a number"),
        ("Date", _seconds_of, "a date"),
    ):
        for ending, compare in _COMPARISONS.items():
            made[kind + ending] = _Operator(_ordered_reader(read_number, expected, compare))
        equals = _ordered_reader(read_number, expected, operator.eq)
        made[f"{kind}NotEquals"] = _Operator(equals, is_negated=True)
    return made


_COMPARISONS: Mapping[str, _Compare] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
_OPERATORS = _make_operators()
