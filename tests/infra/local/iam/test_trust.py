"""Trust policies: who may assume a role, and what is refused when such a document is read."""

from collections.abc import Mapping

import pytest

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.patterns import Context
from bellwire_local.iam.policies import PolicyDocument
from bellwire_local.iam.trust import may_assume, read_trust

COGNITO = "cognito-identity.amazonaws.com"
WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
GITHUB = "arn:aws:iam::111111111111:oidc-provider/tokens.example.com/path"
CALLER = "arn:aws:iam::111111111111:role/session_function"
CALLER_SESSION = "arn:aws:sts::111111111111:assumed-role/session_function/one"
STRANGER = "arn:aws:iam::222222222222:role/session_function"


def _trust(*statements: Mapping[str, object]) -> PolicyDocument:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", **statement} for statement in statements
        ],
    }


POOL_TRUST = _trust(
    {
        "Principal": {"Federated": COGNITO},
        "Action": [WEB_IDENTITY, "sts:TagSession"],
        "Condition": {
            "StringEquals": {f"{COGNITO}:aud": "us-east-1:pool"},
            "ForAnyValue:StringLike": {f"{COGNITO}:amr": "authenticated"},
        },
    }
)


@pytest.mark.parametrize(
    ("aud", "amr", "expected"),
    [
        ("us-east-1:pool", ("authenticated", "login.example"), True),
        ("us-east-1:pool", ("unauthenticated",), False),
        ("us-east-1:other", ("authenticated",), False),
        (None, ("authenticated",), False),
        ("us-east-1:pool", (), False),
    ],
)
def test_a_pool_is_trusted_by_audience_and_method(
    aud: str | None, amr: tuple[str, ...], *, expected: bool
) -> None:
    trust = read_trust("member_role", POOL_TRUST)
    context: dict[str, str | tuple[str, ...]] = {f"{COGNITO}:amr": amr}
    if aud is not None:
        context[f"{COGNITO}:aud"] = aud
    said = may_assume(trust, WEB_IDENTITY, federated=COGNITO, aws_principal=None, context=context)
    assert said is expected


@pytest.mark.parametrize(
    ("action", "federated", "caller"),
    [
        ("sts:AssumeRole", COGNITO, None),
        (WEB_IDENTITY, "accounts.google.com", None),
        (WEB_IDENTITY, None, CALLER),
        (WEB_IDENTITY, None, None),
    ],
)
def test_another_action_or_provider_is_not_trusted(
    action: str, federated: str | None, caller: str | None
) -> None:
    context: Context = {
        f"{COGNITO}:aud": "us-east-1:pool",
        f"{COGNITO}:amr": ("authenticated",),
    }
    trust = read_trust("member_role", POOL_TRUST)
    said = may_assume(trust, action, federated=federated, aws_principal=caller, context=context)
    assert said is False


@pytest.mark.parametrize(
    ("named", "caller", "expected"),
    [
        (CALLER, CALLER, True),
        (CALLER, CALLER_SESSION, True),
        (CALLER_SESSION, CALLER_SESSION, True),
        (CALLER_SESSION, CALLER, False),
        (CALLER, STRANGER, False),
        ("arn:aws:iam::111111111111:root", CALLER, True),
        ("arn:aws:iam::111111111111:root", CALLER_SESSION, True),
        ("111111111111", "111111111111", True),
        ("111111111111", "arn:aws:iam::111111111111:root", True),
        ("111111111111", STRANGER, False),
        ([STRANGER, CALLER], CALLER, True),
        ("*", STRANGER, True),
    ],
)
def test_an_account_means_everybody_within_it(
    named: object, caller: str, *, expected: bool
) -> None:
    trust = read_trust("narrowed_role", _trust({"Principal": {"AWS": named}}))
    said = may_assume(trust, "sts:AssumeRole", federated=None, aws_principal=caller, context={})
    assert said is expected


def test_a_bare_star_means_aws_principals_and_no_token() -> None:
    trust = read_trust("open_role", _trust({"Principal": "*", "Action": "sts:*"}))
    assert may_assume(trust, "sts:AssumeRole", federated=None, aws_principal=CALLER, context={})
    assert not may_assume(trust, WEB_IDENTITY, federated=COGNITO, aws_principal=None, context={})


def test_a_deny_wins() -> None:
    document = _trust(
        {"Principal": {"AWS": "111111111111"}},
        {"Principal": {"AWS": CALLER}, "Effect": "Deny"},
    )
    trust = read_trust("r", document)
    other = "arn:aws:iam::111111111111:role/other"
    assert may_assume(trust, "sts:AssumeRole", federated=None, aws_principal=other, context={})
    assert not may_assume(trust, "sts:AssumeRole", federated=None, aws_principal=CALLER, context={})


def test_a_provider_gives_its_own_keys() -> None:
    key = "tokens.example.com/path:sub"
    statement = {
        "Principal": {"Federated": GITHUB},
        "Action": WEB_IDENTITY,
        "Condition": {"StringLike": {key: "repo:me/*"}},
    }
    trust = read_trust("r", _trust(statement))
    for sub, expected in (("repo:me/it", True), ("repo:you/it", False)):
        said = may_assume(
            trust, WEB_IDENTITY, federated=GITHUB, aws_principal=None, context={key: sub}
        )
        assert said is expected


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ({}, "Principal is None"),
        ({"NotPrincipal": {"AWS": "*"}}, "'NotPrincipal' is not enforced"),
        ({"Principal": {"CanonicalUser": "x"}}, "'CanonicalUser' are not enforced"),
        ({"Principal": {"AWS": "arn:aws:iam::111111111111:role/*"}}, "the whole ARN"),
        ({"Principal": {"AWS": "someone"}}, "'someone'"),
        ({"Principal": {"Federated": "*"}}, "no wildcard"),
        ({"Principal": {"Federated": 7}}, "holds 7"),
        ({"Principal": "*", "Resource": "*"}, "'Resource' is not enforced"),
        ({"Principal": "*", "Action": "sts:${x}"}, "${x} is not resolved"),
        (
            {"Principal": "*", "Condition": {"StringEquals": {"other.example:aud": "x"}}},
            "'other.example:aud' is not enforced",
        ),
    ],
)
def test_what_is_not_enforced_is_refused(statement: dict[str, object], complaint: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        read_trust("some_role", _trust(statement))
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("some_role")


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"Condition": {"ForAnyValue:StringLike": {f"{COGNITO}:amr": "authenticated"}}},
        {"Condition": {"StringLike": {f"{COGNITO}:sub": "*"}}},
        {"Condition": {"StringNotEquals": {f"{COGNITO}:aud": "us-east-1:other"}}},
        {"Condition": {"Null": {f"{COGNITO}:aud": "false"}}},
    ],
)
@pytest.mark.parametrize("principal", [COGNITO, [GITHUB, COGNITO]])
def test_trust_in_every_identity_pool_is_refused(
    condition: dict[str, object], principal: object
) -> None:
    statement = {"Principal": {"Federated": principal}, "Action": WEB_IDENTITY, **condition}
    with pytest.raises(PolicyRefused, match="r, statement 0: it trusts cognito-identity"):
        read_trust("r", _trust(statement))
    allowed = {**statement, "Condition": {"StringLike": {f"{COGNITO}:aud": "us-east-1:*"}}}
    denied = {**statement, "Effect": "Deny"}
    assert len(read_trust("r", _trust(allowed, denied)).statements) == 2
