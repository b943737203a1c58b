"""Conditions by themselves; the examples are those of AWS's guide where it has one."""

import pytest

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.conditions import read_conditions
from bellwire_local.iam.patterns import Context
from bellwire_local.iam.policies import evaluate, read_policy

SUB = "cognito-identity.amazonaws.com:sub"
AMR = "cognito-identity.amazonaws.com:amr"
IP, TIME, ATTRIBUTES = "aws:SourceIp", "aws:CurrentTime", "iot:ConnectAttributes"


def _holds(operator: str, key: str, values: object, context: Context) -> bool:
    (condition,) = read_conditions("p", {operator: {key: values}})
    return condition.holds(context)


@pytest.mark.parametrize(
    ("operator", "values", "found", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a*", "a*", True),
        ("StringEquals", "A", "a", False),
        ("StringNotEquals", "a", "a", False),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", ["a", "b"], "c", True),
        ("StringNotEquals", "a", None, True),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEqualsIfExists", "a", "a", False),
        ("StringEqualsIgnoreCase", "A", "a", True),
        ("StringNotEqualsIgnoreCase", "A", "a", False),
        ("StringLike", "a*c?", "abbcd", True),
        ("StringLike", "a*c?", "abbc", False),
        ("StringLike", "a${*}", "a*", True),
        ("StringLike", "a${*}", "ab", False),
        ("StringNotLike", "a*", "ab", False),
        ("StringNotLike", "a*", "b", True),
        ("StringNotLike", "a*", None, True),
        ("Bool", "true", "TRUE", True),
        ("Bool", True, "true", True),
        ("Bool", False, "true", False),
        ("Bool", "true", None, False),
        ("Null", "true", None, True),
        ("Null", True, "a", False),
        ("Null", "false", "a", True),
        ("Null", "false", None, False),
        ("NumericEquals", "10", "10.0", True),
        ("NumericLessThan", 10, "9", True),
        ("NumericLessThan", 10, "10", False),
        ("NumericLessThanEquals", 10, "10", True),
        ("NumericGreaterThan", [10, 20], "15", True),
        ("NumericGreaterThanEquals", 10, "9.9", False),
        ("NumericNotEquals", 10, "11", True),
        ("NumericNotEquals", 10, "10", False),
        ("NumericEquals", 10, "ten", False),
    ],
)
def test_an_operator_on_one_value(
    operator: str, values: object, found: str | None, *, expected: bool
) -> None:
    context = {} if found is None else {SUB: found}
    assert _holds(operator, SUB, values, context) is expected


@pytest.mark.parametrize(
    ("operator", "values", "found", "expected"),
    [
        ("IpAddress", "203.0.113.0/24", "203.0.113.7", True),
        ("IpAddress", "203.0.113.0/24", "203.0.114.7", False),
        ("IpAddress", ["192.0.2.1", "203.0.113.7"], "203.0.113.7", True),
        ("IpAddress", "203.0.113.5/24", "203.0.113.7", True),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("IpAddress", "0.0.0.0/0", "2001:db8::1", False),
        ("IpAddress", "0.0.0.0/0", "203.0.113.7", True),
        ("IpAddress", "0.0.0.0/0", "unknown", False),
        ("NotIpAddress", "203.0.113.0/24", "203.0.113.7", False),
        ("NotIpAddress", "203.0.113.0/24", "2001:db8::1", True),
        ("NotIpAddress", "203.0.113.0/24", None, True),
        ("StringEquals", "203.0.113.7", "203.0.113.7", True),
    ],
)
def test_addresses(operator: str, values: object, found: str | None, *, expected: bool) -> None:
    context = {} if found is None else {IP: found}
    assert _holds(operator, IP, values, context) is expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("DateLessThan", "2026-01-02T00:00:00Z", True),
        ("DateLessThan", "2026-01-01T12:00:00Z", False),
        ("DateLessThanEquals", "2026-01-01T12:00:00Z", True),
        ("DateLessThanEquals", "2026-01-01", False),
        ("DateGreaterThan", "2026-01-01", True),
        ("DateGreaterThan", "2026-01-01T11:00:00-02:00", False),
        ("DateGreaterThanEquals", "1767268800", True),
        ("DateEquals", "2026-01-01T12:00:00+00:00", True),
        ("DateNotEquals", "2026-01-01T12:00:00Z", False),
    ],
)
def test_dates(operator: str, value: str, *, expected: bool) -> None:
    assert _holds(operator, TIME, value, {TIME: "2026-01-01T12:00:00+00:00"}) is expected


@pytest.mark.parametrize(
    ("operator", "values", "found", "expected"),
    [
        ("ForAnyValue:StringLike", "authenticated", ("authenticated", "x"), True),
        ("ForAnyValue:StringLike", "authenticated", ("unauthenticated",), False),
        ("ForAnyValue:StringEquals", "a", (), False),
        ("ForAnyValue:StringEquals", "a", "a", True),
        ("ForAnyValue:StringNotEquals", "a", ("a", "b"), True),
        ("ForAnyValue:StringNotEquals", "a", ("a",), False),
        ("ForAnyValue:StringNotEquals", "a", (), False),
        ("ForAllValues:StringEquals", ["a", "b"], ("a", "b"), True),
        ("ForAllValues:StringEquals", ["a", "b"], ("a", "c"), False),
        ("ForAllValues:StringEquals", "a", (), True),
        ("ForAllValues:StringNotEquals", "a", ("b", "c"), True),
        ("ForAllValues:StringNotEquals", "a", ("b", "a"), False),
        ("ForAllValues:StringEqualsIfExists", "a", (), True),
    ],
)
def test_several_values(
    operator: str, values: object, found: str | tuple[str, ...], *, expected: bool
) -> None:
    assert _holds(operator, AMR, values, {AMR: found}) is expected


def test_all_conditions_must_hold_and_keys_are_found_in_any_case() -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "iot:Connect",
            "Resource": "*",
            "Condition": {
                "IpAddress": {"AWS:sourceip": "10.0.0.0/8"},
                "StringLike": {SUB: "us-*", "aws:sourceIP": "*.${AWS:SOURCEIP}"},
            },
        },
    }
    policy = read_policy("p", document)
    context: Context = {IP: "10.0.0.1", SUB: "us-east-1:x"}
    assert not evaluate([policy], "iot:Connect", "x", context).is_allowed
    document["Statement"]["Condition"]["StringLike"] = {SUB: "us-*"}  # type: ignore[index] # a literal above
    policy = read_policy("p", document)
    assert evaluate([policy], "iot:Connect", "x", context).is_allowed
    assert not evaluate([policy], "iot:Connect", "x", {**context, IP: "11.0.0.1"}).is_allowed
    assert not evaluate([policy], "iot:Connect", "x", {IP: "10.0.0.1"}).is_allowed


def test_a_variable_in_a_value() -> None:
    value = "${iot:ClientId}"
    assert _holds("StringEquals", SUB, value, {SUB: "a*", "iot:ClientId": "a*"})
    assert not _holds("StringLike", SUB, value, {SUB: "ab", "iot:ClientId": "a*"})
    assert not _holds("StringEquals", SUB, value, {SUB: "a"})


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize(
    "exclusion",
    [
        {"NotResource": "a/${iot:ClientId}"},
        {"Resource": "*", "Condition": {"StringNotEquals": {SUB: "${iot:ClientId}"}}},
    ],
)
def test_what_is_left_out_by_a_variable_without_value(
    effect: str, exclusion: dict[str, object]
) -> None:
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    statement = {"Effect": effect, "Action": "*", **exclusion}
    listed = [statement] if effect == "Allow" else [allow, statement]
    policy = read_policy("p", {"Version": "2012-10-17", "Statement": listed})
    without = evaluate([policy], "iot:Publish", "b", {SUB: "x"})
    assert not without.is_allowed
    resolved = evaluate([policy], "iot:Publish", "b", {SUB: "x", "iot:ClientId": "y"})
    assert resolved.is_allowed is (effect == "Allow")


@pytest.mark.parametrize(
    ("element", "complaint"),
    [
        ([], r"Condition is \[\]"),
        ({"StringEquals": "x"}, "Condition StringEquals is 'x'"),
        ({"StringEquals": {"aws:username": "x"}}, "condition key 'aws:username' is not enforced"),
        ({"ArnLike": {IP: "x"}}, "operator 'ArnLike' is not enforced"),
        ({"stringequals": {IP: "x"}}, "operator 'stringequals' is not enforced"),
        ({"ForSomeValues:StringEquals": {IP: "x"}}, "'ForSomeValues:StringEquals' is not"),
        ({"NullIfExists": {IP: "true"}}, "'NullIfExists' is not enforced"),
        ({"StringEquals": {IP: []}}, "has no value"),
        ({"StringEquals": {IP: 7}}, "holds 7; a text"),
        ({"StringEquals": {IP: "{region}"}}, "{region} was not replaced"),
        ({"StringEquals": {IP: "${aws:username}"}}, "${aws:username} is not resolved"),
        ({"StringEquals": {AMR: "x"}}, "needs ForAnyValue: or ForAllValues:"),
        ({"ForAnyValue:StringLikeIfExists": {AMR: "x"}}, "not documented"),
        ({"IpAddress": {IP: "10.0.0.0/33"}}, "an address range is expected"),
        ({"IpAddress": {IP: "*"}}, "an address range is expected"),
        ({"Bool": {IP: "yes"}}, "true or false is expected"),
        ({"Null": {IP: ["true", "false"]}}, "holds 2 values"),
        ({"NumericEquals": {IP: "ten"}}, "a number is expected"),
        ({"NumericEquals": {IP: True}}, "a number is expected"),
        ({"DateEquals": {TIME: "tomorrow"}}, "a date is expected"),
    ],
)
def test_what_is_not_enforced_is_refused(element: object, complaint: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        read_conditions("some_role, statement 0", element)
    assert complaint.replace("\\", "") in str(caught.value)
    assert str(caught.value).startswith("some_role, statement 0")
