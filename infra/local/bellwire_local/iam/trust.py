"""Trust policies: who may assume a role. Issuing the credentials is `identity`'s.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.conditions import (
    COGNITO_AUD,
    KEYS,
    AnyCondition,
    Condition,
    read_conditions,
)
from bellwire_local.iam.patterns import Context, Pattern
from bellwire_local.iam.policies import (
    Effect,
    PolicyDocument,
    check_elements,
    read_effect,
    read_element,
    statements_of,
)

COGNITO_FEDERATION = "cognito-identity.amazonaws.com"
_STATEMENT_ELEMENTS = {"Sid", "Effect", "Principal", "Action", "Condition"}
_KINDS = ("AWS", "Federated", "Service")
_ACCOUNT = re.compile(r"(?:arn:aws:iam::)?(\d{12})(?::root)?", re.ASCII)
_PRINCIPAL_ARN = re.compile(r"arn:aws:(?:iam|sts)::\d{12}:[a-z-]+/[\w+=,.@/-]+", re.ASCII)
_OIDC_ARN = re.compile(r"arn:aws:iam::\d{12}:oidc-provider/(\S+)", re.ASCII)
_SESSION_ARN = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/[^/]+", re.ASCII)
_STS_KEYS = frozenset({"sts:ExternalId", "sts:RoleSessionName"})


@dataclass(frozen=True, slots=True)
class TrustStatement:
    """One statement; `principals` by kind, as `{"Federated": ("accounts.google.com",)}`."""

    name: str
    effect: Effect
    actions: tuple[Pattern, ...]
    principals: Mapping[str, tuple[str, ...]]
    conditions: tuple[AnyCondition, ...] = ()

    def covers(
        self, action: str, federated: str | None, aws_principal: str | None, context: Context
    ) -> bool:
        """Whether the statement speaks about this caller doing this."""
        if not any(pattern.matches(action, {}) for pattern in self.actions):
            return False
        is_named = federated is not None and federated in self.principals.get("Federated", ())
        if aws_principal is not None:
            named = self.principals.get("AWS", ())
            is_named = is_named or any(_is_meant(name, aws_principal) for name in named)
        return is_named and all(condition.holds(context) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """A trust policy that has been read."""

    name: str
    statements: tuple[TrustStatement, ...]


def read_trust(name: str, document: PolicyDocument) -> TrustPolicy:
    """Read a role's trust policy:

    `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Principal": {"Federated": "cognito-identity.amazonaws.com"},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": "us-east-1:…"}}}]}`

    Raises:
        PolicyRefused: for anything that is not enforced here; NotPrincipal, variables and wildcards
            within a principal are not. And for trust in Cognito without a condition on the
            audience, which IAM does not take.
            Source: https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
    """
    return TrustPolicy(
        name,
        tuple(
            _read_statement(where, statement) for where, statement in statements_of(name, document)
        ),
    )


def may_assume(
    trust: TrustPolicy,
    action: str,
    *,
    federated: str | None,
    aws_principal: str | None,
    context: Mapping[str, str | tuple[str, ...]],
) -> bool:
    """Whether a caller may assume the role; a Deny wins, and without an Allow nobody may.

    Args:
        action: for example `sts:AssumeRoleWithWebIdentity`.
        federated: who vouches for the caller: `cognito-identity.amazonaws.com`, or the ARN of an
            OIDC provider; None for a caller with AWS credentials.
        aws_principal: the caller's role or session ARN, `arn:aws:iam::ACCOUNT:root` or an account
            id; None for a caller with a token.
        context: the condition keys' values, `{"cognito-identity.amazonaws.com:amr": ("x",)}`.
    """
    said = judge(trust, action, federated=federated, aws_principal=aws_principal, context=context)
    return said is not None and said.effect == "Allow"


def judge(
    trust: TrustPolicy,
    action: str,
    *,
    federated: str | None,
    aws_principal: str | None,
    context: Mapping[str, str | tuple[str, ...]],
) -> TrustStatement | None:
    """Return the statement that decides, a Deny before an Allow; None if none speaks of it.

    The arguments are those of `may_assume`.
    """
    speaking = [
        statement
        for statement in trust.statements
        if statement.covers(action, federated, aws_principal, context)
    ]
    denying = [statement for statement in speaking if statement.effect == "Deny"]
    return next(iter(denying or speaking), None)


def _is_meant(named: str, caller: str) -> bool:
    """Whether a principal of a trust policy means this caller; an account means all within it."""
    if named in ("*", caller):
        return True
    account = _ACCOUNT.fullmatch(named)
    if account is not None:
        return account[1] in caller.split(":")
    session = _SESSION_ARN.fullmatch(caller)
    return session is not None and named == f"arn:aws:iam::{session[1]}:role/{session[2]}"


def _read_statement(where: str, statement: Mapping[str, object]) -> TrustStatement:
    check_elements(where, statement, _STATEMENT_ELEMENTS)
    effect = read_effect(where, statement)
    actions, _ = read_element(where, statement, "Action")
    principals = _read_principals(where, statement.get("Principal"))
    conditions: tuple[AnyCondition, ...] = ()
    if "Condition" in statement:
        keys = KEYS | _STS_KEYS | _keys_of_providers(principals)
        element = statement["Condition"]
        conditions = read_conditions(where, element, keys=keys, variables=frozenset())
    if effect == "Allow" and COGNITO_FEDERATION in principals.get("Federated", ()):
        _check_audience(where, conditions)
    return TrustStatement(
        str(statement.get("Sid") or where), effect, actions, principals, conditions
    )


def _check_audience(where: str, conditions: tuple[AnyCondition, ...]) -> None:
    """Refuse what lets in anybody's identity pool; that leaving one out is not enough is ours."""
    if not any(
        isinstance(condition, Condition)
        and condition.key == COGNITO_AUD
        and not condition.is_negated
        for condition in conditions
    ):
        raise PolicyRefused(
            f"{where}: it trusts {COGNITO_FEDERATION} whatever the identity pool; a condition "
            f'such as {{"StringEquals": {{"{COGNITO_AUD}": "<pool>"}}}} is expected'
        )


def _read_principals(where: str, element: object) -> dict[str, tuple[str, ...]]:
    if element == "*":
        return {"AWS": ("*",)}
    if not isinstance(element, Mapping) or not element:
        raise PolicyRefused(
            f"{where}: Principal is {element!r}; an object with AWS, Federated or Service is "
            "expected"
        )
    principals = {}
    for kind, listed in element.items():
        if kind not in _KINDS:
            raise PolicyRefused(f"{where}: principals of the kind {kind!r} are not enforced")
        names = listed if isinstance(listed, list) else [listed]
        principals[str(kind)] = tuple(_read_name(where, str(kind), name) for name in names)
    return principals


def _read_name(where: str, kind: str, name: object) -> str:
    if not isinstance(name, str) or not name:
        raise PolicyRefused(f"{where}: Principal {kind} holds {name!r}; a text is expected")
    is_known = name == "*" or _ACCOUNT.fullmatch(name) or _PRINCIPAL_ARN.fullmatch(name)
    if kind == "AWS" and not is_known:
        raise PolicyRefused(
            f"{where}: Principal AWS holds {name!r}; '*', an account or the whole ARN of a role, "
            "session or user is expected"
        )
    if kind != "AWS" and "*" in name:
        raise PolicyRefused(f"{where}: Principal {kind} holds {name!r}; no wildcard is allowed")
    return name


def _keys_of_providers(principals: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return the keys that the named providers' tokens give: `accounts.example.com:aud`, `:sub`."""
    names = [
        oidc[1] if (oidc := _OIDC_ARN.fullmatch(name)) else name
        for name in principals.get("Federated", ())
        if name != COGNITO_FEDERATION
    ]
    return frozenset(f"{name}:{claim}" for name in names for claim in ("aud", "sub"))
