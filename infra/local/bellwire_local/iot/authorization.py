"""May this principal do that? Joins principal, policies and request into an explained decision."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from bellwire_local.iam.policies import Policy, PolicyDocument, Verdict, evaluate, read_policy
from bellwire_local.identity.principals import Principal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with everything needed to understand it.

    `documents` are the names of the policies asked; `remedy` is the smallest statement that would
    have allowed it, None when it was allowed or when a Deny stands in the way.
    """

    is_allowed: bool
    principal: Principal
    action: str
    resource: str
    documents: tuple[str, ...]
    statement: str | None
    is_explicit: bool
    remedy: Mapping[str, str] | None

    def __str__(self) -> str:
        said = "allowed" if self.is_allowed else "refused"
        asked = ", ".join(self.documents) or "no document"
        line = f"{said} {self.action} on {self.resource} for {self.principal} (asked {asked}): "
        if self.statement is not None:
            verb = "allows" if self.is_allowed else "denies"
            return f"{line}statement {self.statement} {verb} it"
        return f"{line}no statement allows it; this one would: {json.dumps(self.remedy)}"


class Authorizer:
    """The policies in force, by role; `generation` rises whenever they change."""

    def __init__(self, region: str, account_id: str, roles: Mapping[str, PolicyDocument]) -> None:
        self._arn_prefix = f"arn:aws:iot:{region}:{account_id}:"
        self._roles = {name: read_policy(name, document) for name, document in roles.items()}
        self.generation = 0

    def replace_role(self, name: str, document: PolicyDocument) -> None:
        """Put another policy in force for a role.

        Raises:
            PolicyRefused: the document cannot be enforced; the one in force stays.
        """
        self._roles[name] = read_policy(name, document)
        self.generation += 1

    def decide(
        self,
        principal: Principal,
        action: str,
        resource: str,
        *,
        source_ip: str,
        client_id: str | None = None,
    ) -> Decision:
        """Decide one request; a refusal is logged in one line.

        Args:
            resource: what follows the account in the ARN, for example `topic/prod/public/host`.
            client_id: the MQTT client id; None over HTTPS, where `${iot:ClientId}` has no value.
        """
        policies = self._policies_of(principal)
        arn = self._arn_prefix + resource
        variables = _variables(principal, source_ip, client_id)
        decision = _explain(
            evaluate(policies, action, arn, variables), principal, action, arn, policies
        )
        if not decision.is_allowed:
            logger.warning("%s", decision)
        return decision

    def _policies_of(self, principal: Principal) -> tuple[Policy, ...]:
        policy = self._roles.get(principal.role)
        return () if policy is None else (policy,)


def _variables(principal: Principal, source_ip: str, client_id: str | None) -> dict[str, str]:
    variables = {"aws:SourceIp": source_ip}
    if principal.identity_id is not None:
        variables["cognito-identity.amazonaws.com:sub"] = principal.identity_id
    if client_id is not None:
        variables["iot:ClientId"] = client_id
    return variables


def _explain(
    verdict: Verdict, principal: Principal, action: str, arn: str, policies: tuple[Policy, ...]
) -> Decision:
    statement = verdict.statement
    remedy = None
    if not verdict.is_allowed and statement is None:
        remedy = {"Effect": "Allow", "Action": action, "Resource": _escape(arn)}
    return Decision(
        is_allowed=verdict.is_allowed,
        principal=principal,
        action=action,
        resource=arn,
        documents=tuple(policy.name for policy in policies),
        statement=None if statement is None else statement.name,
        is_explicit=statement is not None,
        remedy=remedy,
    )


def _escape(arn: str) -> str:
    """Write a resource so that a policy takes its `*`, `?` and `$` literally."""
    return "".join(f"${{{char}}}" if char in "*?$" else char for char in arn)
