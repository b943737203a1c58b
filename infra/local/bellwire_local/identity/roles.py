"""The roles of every account as Cognito and STS see them: who may assume one, and what it may call.

IoT's own decisions are made in `iot.authorization`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bellwire_local.accounts import Account, PoolSettings
from bellwire_local.iam.patterns import Context
from bellwire_local.iam.policies import Policy, PolicyDocument, evaluate, read_policy
from bellwire_local.iam.trust import TrustPolicy, may_assume, read_trust
from bellwire_local.identity.principals import COGNITO_SESSION_NAME, Principal
from bellwire_local.identity.tokens import COGNITO_PROVIDER, OpenIdToken

WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
ASSUME_ROLE = "sts:AssumeRole"
TAG_SESSION = "sts:TagSession"
_ROLE_ARN = re.compile(r"arn:aws:iam::(\d{12}):role/([\w+=,.@-]{1,64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """When a call came, in seconds since 1970, and from where; what else its conditions may ask.

    `source_ip` is None where Cognito itself assumes a role for somebody.
    """

    now_s: float
    source_ip: str | None = None
    session_name: str | None = None
    external_id: str | None = None

    def context(self) -> dict[str, str | tuple[str, ...]]:
        """Return the values of condition keys.

        Source: IAM guide, reference_policies_condition-keys, …_iam-condition-keys.
        """
        values = {
            "aws:CurrentTime": datetime.fromtimestamp(self.now_s, UTC).isoformat(),
            "aws:SourceIp": self.source_ip,
            "sts:RoleSessionName": self.session_name,
            "sts:ExternalId": self.external_id,
        }
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class RoleInForce:
    """A role whose documents have been read."""

    account_id: str
    name: str
    policy: Policy
    trust: TrustPolicy | None
    max_session_s: int

    @property
    def arn(self) -> str:
        """Name the role as AWS does."""
        return f"arn:aws:iam::{self.account_id}:role/{self.name}"

    def trusts_token(self, token: OpenIdToken, circumstances: Circumstances) -> bool:
        """Whether the bearer of one of the pool's tokens may assume the role.

        Source: IAM guide, reference_policies_iam-condition-keys, keys for web identity federation;
        Cognito guide, role-trust-and-permissions.
        """
        actions = (WEB_IDENTITY, TAG_SESSION) if token.principal_tags else (WEB_IDENTITY,)
        context: Context = {
            **circumstances.context(),
            f"{COGNITO_PROVIDER}:aud": token.pool_id,
            f"{COGNITO_PROVIDER}:sub": token.identity_id,
            f"{COGNITO_PROVIDER}:amr": token.amr,
        }
        return self.trust is not None and all(
            may_assume(
                self.trust, action, federated=COGNITO_PROVIDER, aws_principal=None, context=context
            )
            for action in actions
        )

    def trusts_session(self, session_arn: str, circumstances: Circumstances) -> bool:
        """Whether a session of another role may assume this one."""
        return self.trust is not None and may_assume(
            self.trust,
            ASSUME_ROLE,
            federated=None,
            aws_principal=session_arn,
            context=circumstances.context(),
        )


class Roles:
    """Every role there is, by account and name."""

    def __init__(
        self, accounts: Mapping[str, Account], home: str, pool: PoolSettings, pool_id: str
    ) -> None:
        """Read all documents.

        `{pool}` in a trust document stands for the pool's id, which nobody knows before the first
        start. The pool's own roles have the trust document that Cognito's console writes unless
        they bring one.

        Raises:
            PolicyRefused: a document holds what is not enforced here.
        """
        implied = {
            (home, pool.unauthenticated_role): _pool_trust(pool_id, "unauthenticated"),
            (home, pool.authenticated_role): _pool_trust(pool_id, "authenticated"),
        }
        self._roles: dict[tuple[str, str], RoleInForce] = {}
        for account_id, account in accounts.items():
            for name, role in account.roles.items():
                document = role.trust or implied.get((account_id, name))
                trust = None if document is None else _render(document, pool_id)
                self._roles[account_id, name] = RoleInForce(
                    account_id,
                    name,
                    read_policy(name, role.policy),
                    None if trust is None else read_trust(f"{name}'s trust", trust),
                    role.max_session_s,
                )

    def find(self, account_id: str, name: str) -> RoleInForce | None:
        """Return a role; None if there is none of that name."""
        return self._roles.get((account_id, name))

    def find_by_arn(self, arn: str) -> RoleInForce | None:
        """Return the role of `arn:aws:iam::<account>:role/<name>`; paths are not emulated."""
        named = _ROLE_ARN.fullmatch(arn)
        return None if named is None else self.find(named[1], named[2])

    def explain_refusal(
        self, principal: Principal, action: str, resource: str, circumstances: Circumstances
    ) -> str | None:
        """Say in AWS's words why a principal may not do something; None if it may.

        Source of the words: IAM guide, troubleshoot_access-denied.
        """
        refusal = (
            f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource}"
        )
        no_allow = f"{refusal} because no {{}} policy allows the {action} action"
        if _is_scoped_down(principal):
            return no_allow.format("session")
        role = self.find(principal.account_id, principal.role)
        if role is None:
            return no_allow.format("identity-based")
        context = {**circumstances.context(), **_describe(principal)}
        layers = [("identity-based", role.policy)]
        for place, text in enumerate(principal.session_policies):
            document = read_policy(f"session policy {place}", json.loads(text))
            layers.append(("session", document))
        for kind, policy in layers:
            verdict = evaluate([policy], action, resource, context)
            if not verdict.is_allowed:
                article = "an" if kind == "identity-based" else "a"
                denied = f"{refusal} with an explicit deny in {article} {kind} policy"
                return denied if verdict.statement else no_allow.format(kind)
        return None


def _describe(principal: Principal) -> Context:
    if principal.identity_id is None or principal.pool_id is None:
        return {}
    return {
        f"{COGNITO_PROVIDER}:sub": principal.identity_id,
        f"{COGNITO_PROVIDER}:aud": principal.pool_id,
        f"{COGNITO_PROVIDER}:amr": principal.amr,
    }


def _is_scoped_down(principal: Principal) -> bool:
    """Whether this is a guest of the enhanced flow.

    AWS narrows such sessions to a list of services: AWS IoT is on it, STS and Cognito's signed
    operations are not. Source: Cognito guide, iam-roles, access policies for unauthenticated users.
    """
    return principal.amr == ("unauthenticated",) and principal.session_name == COGNITO_SESSION_NAME


def _pool_trust(pool_id: str, kind: str) -> PolicyDocument:
    """Source: Cognito guide, role-trust-and-permissions."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": COGNITO_PROVIDER},
                "Action": WEB_IDENTITY,
                "Condition": {
                    "StringEquals": {f"{COGNITO_PROVIDER}:aud": pool_id},
                    "ForAnyValue:StringLike": {f"{COGNITO_PROVIDER}:amr": kind},
                },
            }
        ],
    }


def _render(document: PolicyDocument, pool_id: str) -> PolicyDocument:
    rendered = json.loads(json.dumps(document).replace("{pool}", pool_id))
    return rendered if isinstance(rendered, dict) else document
