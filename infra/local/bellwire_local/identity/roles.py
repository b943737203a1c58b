"""The roles of every account as Cognito and STS see them: who may assume one, and what it may call.

Every decision is remembered, and a refusal logged, so that callers need not log it again.
IoT's own decisions are made in `iot.authorization`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bellwire_local.accounts import Account, PoolSettings
from bellwire_local.iam.patterns import Context
from bellwire_local.iam.policies import Policy, PolicyDocument, read_policy
from bellwire_local.iam.trust import TrustPolicy, TrustStatement, judge, read_trust
from bellwire_local.identity.deciding import Layer, decide
from bellwire_local.identity.decisions import Decision, DecisionLog, Document, Missing
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


class Roles:
    """Every role there is, by account and name."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        home: str,
        pool: PoolSettings,
        pool_id: str,
        log: DecisionLog,
    ) -> None:
        """Read all documents.

        `{pool}` in a document stands for the pool's id, which nobody knows before the first
        start. The pool's own roles have the trust document that Cognito's console writes unless
        they bring one.

        Raises:
            PolicyRefused: a document holds what is not enforced here.
        """
        self._log = log
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
                    read_policy(name, _render(role.policy, pool_id)),
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

    def trusts_token(
        self, role: RoleInForce, token: OpenIdToken, circumstances: Circumstances
    ) -> bool:
        """Whether the bearer of one of the pool's tokens may assume a role.

        Source: IAM guide, reference_policies_iam-condition-keys, keys for web identity federation;
        Cognito guide, role-trust-and-permissions.
        """
        actions = (WEB_IDENTITY, TAG_SESSION) if token.principal_tags else (WEB_IDENTITY,)
        wanted = {
            "Effect": "Allow",
            "Principal": {"Federated": COGNITO_PROVIDER},
            "Action": list(actions),
            "Condition": _write_pool_condition(token.pool_id, token.amr[0]),
        }
        context: Context = {
            **circumstances.context(),
            f"{COGNITO_PROVIDER}:aud": token.pool_id,
            f"{COGNITO_PROVIDER}:sub": token.identity_id,
            f"{COGNITO_PROVIDER}:amr": token.amr,
        }
        asked = _Asked(token.identity_id, wanted, context, federated=COGNITO_PROVIDER)
        return all(self._ask_trust(role, action, asked, circumstances) for action in actions)

    def trusts_session(
        self, role: RoleInForce, caller: Principal, circumstances: Circumstances
    ) -> bool:
        """Whether a session of another role may assume a role."""
        wanted = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{caller.account_id}:role/{caller.role}"},
            "Action": ASSUME_ROLE,
        }
        asked = _Asked(str(caller), wanted, circumstances.context(), aws_principal=caller.arn)
        return self._ask_trust(role, ASSUME_ROLE, asked, circumstances)

    def note_absence(self, who: str, action: str, role_arn: str, now_s: float) -> None:
        """Remember that somebody was refused because there is no such role."""
        self._refuse(who, action, role_arn, now_s, "there is no such role")

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
            why = "guests of the enhanced flow may not call this service, whatever the role says"
            self._refuse(str(principal), action, resource, circumstances.now_s, why)
            return no_allow.format("session")
        decision = self._decide(principal, action, resource, circumstances)
        self._log.note(circumstances.now_s, decision)
        if decision.is_allowed:
            return None
        if decision.missing:
            return no_allow.format(_AWS_KINDS[decision.missing[0].kind])
        kind = _AWS_KINDS[decision.said_by.kind] if decision.said_by else ""
        article = "an" if kind == "identity-based" else "a"
        return f"{refusal} with an explicit deny in {article} {kind} policy"

    def refuse_other_account(
        self, principal: Principal, action: str, resource: str, now_s: float
    ) -> str:
        """Remember that a principal asked for what is another account's; return the answer."""
        self._refuse(str(principal), action, resource, now_s, "it is of another account")
        return f"User: {principal.arn} is of another account than {resource}"

    def _decide(
        self, principal: Principal, action: str, resource: str, circumstances: Circumstances
    ) -> Decision:
        role = self.find(principal.account_id, principal.role)
        context = {**circumstances.context(), **_describe(principal)}
        place = f"the role policy {principal.role}"
        layers = [Layer("role policy", () if role is None else (role.policy,), context, place)]
        if principal.session_policies:
            session = tuple(
                read_policy("of the session", json.loads(text))
                for text in principal.session_policies
            )
            layers.append(Layer("session policy", session, context, "the session policy"))
        return decide(layers, str(principal), action, resource)

    def _ask_trust(
        self, role: RoleInForce, action: str, asked: "_Asked", circumstances: Circumstances
    ) -> bool:
        said = asked.judge(role.trust, action)
        document = Document("trust policy", f"of {role.name}")
        why = "" if role.trust else "the role has none"
        missing = Missing("trust policy", f"the trust policy of {role.name}", why)
        decision = Decision(
            is_allowed=said is not None and said.effect == "Allow",
            who=asked.who,
            action=action,
            resource=role.arn,
            documents=(document,) if role.trust else (),
            statement=None if said is None else said.name,
            said_by=None if said is None else document,
            missing=() if said is not None else (missing,),
            statement_wanted=asked.statement_wanted,
        )
        self._log.note(circumstances.now_s, decision)
        return decision.is_allowed

    def _refuse(self, who: str, action: str, resource: str, now_s: float, reason: str) -> None:
        decision = Decision(
            is_allowed=False, who=who, action=action, resource=resource, documents=(), reason=reason
        )
        self._log.note(now_s, decision)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A caller as a trust policy sees it, and the smallest statement that would let it in."""

    who: str
    statement_wanted: Mapping[str, object]
    context: Context
    federated: str | None = None
    aws_principal: str | None = None

    def judge(self, trust: TrustPolicy | None, action: str) -> TrustStatement | None:
        """Return the statement of a trust policy that decides."""
        if trust is None:
            return None
        return judge(
            trust,
            action,
            federated=self.federated,
            aws_principal=self.aws_principal,
            context=self.context,
        )


_AWS_KINDS = {"role policy": "identity-based", "session policy": "session"}
"""What AWS calls the kinds of policies in its refusals."""


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
                "Condition": _write_pool_condition(pool_id, kind),
            }
        ],
    }


def _write_pool_condition(pool_id: str, kind: str) -> dict[str, object]:
    return {
        "StringEquals": {f"{COGNITO_PROVIDER}:aud": pool_id},
        "ForAnyValue:StringLike": {f"{COGNITO_PROVIDER}:amr": kind},
    }


def _render(document: PolicyDocument, pool_id: str) -> PolicyDocument:
    rendered = json.loads(json.dumps(document).replace("{pool}", pool_id))
    return rendered if isinstance(rendered, dict) else document
