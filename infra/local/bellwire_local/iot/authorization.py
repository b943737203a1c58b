"""May this principal do that? Joins principal, policies and request into an explained decision.

A role's policy must allow it; so must a session policy, if the session has any, and the IoT
policies attached to the identity, if it is one that has logged in.
Source: https://docs.aws.amazon.com/iot/latest/developerguide/cog-iot-policies.html
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.conditions import (
    CLIENT_ID,
    COGNITO_AMR,
    COGNITO_AUD,
    COGNITO_SUB,
    CURRENT_TIME,
    SOURCE_IP,
)
from bellwire_local.iam.patterns import Context
from bellwire_local.iam.policies import (
    Policy,
    PolicyDocument,
    parse_document,
    read_policy,
)
from bellwire_local.identity.deciding import Layer, decide
from bellwire_local.identity.decisions import Decision, DecisionLog
from bellwire_local.identity.principals import COGNITO_SESSION_NAME, Principal
from bellwire_local.iot.policies_in_force import PoliciesInForce, PolicyChange, RoleChanged

INTERSECTED_ACTIONS = frozenset(
    {
        "iot:Connect",
        "iot:Publish",
        "iot:Subscribe",
        "iot:Receive",
        "iot:GetThingShadow",
        "iot:UpdateThingShadow",
        "iot:DeleteThingShadow",
    }
)
"""What needs an IoT policy too; any other action is the role's alone.
Source: https://docs.aws.amazon.com/iot/latest/developerguide/cog-iot-policies.html"""

DECISIONS_KEPT = 4_096
_SESSION_POLICIES_KEPT = 1_024
_SESSION = "of the session"


@dataclass(frozen=True, slots=True)
class PolicyChoices:
    """What to do where AWS's documentation leaves the answer open.

    Attributes:
        cognito_sub_in_iot_policies: whether `${cognito-identity.amazonaws.com:sub}` has a value in
            an IoT policy. AWS's guide suggests it, one report confirms it, nothing promises it.
            False is the safe answer: what works without it works either way.
        basic_flow_needs_iot_policy: whether an identity that came through STS, in this account or
            from another's pool, needs an IoT policy as one of the enhanced flow does.
        retain_publish_needs_iot_policy: whether iot:RetainPublish is intersected as iot:Publish is;
            the guide's list is older than this action.

    One report of 2018 had authenticated identities connect with no IoT policy at all; that is not
    modelled: https://github.com/awslabs/aws-sdk-android-samples/issues/188
    """

    cognito_sub_in_iot_policies: bool = False
    basic_flow_needs_iot_policy: bool = True
    retain_publish_needs_iot_policy: bool = True


class Authorizer:
    """Decides for one account; `generation` rises whenever earlier decisions may not hold."""

    def __init__(
        self,
        region: str,
        account_id: str,
        roles: Mapping[str, PolicyDocument],
        *,
        choices: PolicyChoices = PolicyChoices(),
        log: DecisionLog | None = None,
        wall_clock_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Put the policies of the roles in force; nothing is attached to anybody.

        Args:
            log: where decisions are remembered; None: in one of its own.

        Raises:
            PolicyRefused: one of them holds what is not enforced.
        """
        self._arn_prefix = f"arn:aws:iot:{region}:{account_id}:"
        self._choices = choices
        self._wall_clock_s = wall_clock_s
        self._in_force = PoliciesInForce(roles, monotonic_s)
        self._decided: dict[object, Decision] = {}
        self._decided_generation = self._in_force.generation
        self._log = DecisionLog() if log is None else log

    @property
    def generation(self) -> int:
        """A number to keep beside a decision that is kept; the decision is void when it rises."""
        return self._in_force.generation

    @property
    def propagation_s(self) -> float:
        """How long a change of policy takes to come into force, in seconds."""
        return self._in_force.propagation_s

    @propagation_s.setter
    def propagation_s(self, delay_s: float) -> None:
        self._in_force.propagation_s = delay_s

    def replace_role(self, name: str, document: PolicyDocument) -> None:
        """Put another policy in force for a role.

        Raises:
            PolicyRefused: the document cannot be enforced; the one in force stays.
        """
        self._in_force.change(RoleChanged(read_policy(name, document)))

    def change(self, change: PolicyChange) -> None:
        """Bring a change of policies or attachments into force, after `propagation_s`."""
        self._in_force.change(change)

    def decisions(self, limit: int = 100) -> list[dict[str, object]]:
        """Return the latest decisions, newest first; the shape is `Decision.as_json` with `at`.

        Those of everybody who writes to the same log are among them.
        """
        return list(self._log.latest(limit))

    def decide(
        self,
        principal: Principal,
        action: str,
        resource: str,
        *,
        source_ip: str,
        client_id: str | None = None,
        context: Context | None = None,
        is_whole_resource: bool = False,
    ) -> Decision:
        """Decide one request; a refusal is logged in one line.

        Args:
            resource: what follows the account in the ARN, for example `topic/prod/public/host`.
            client_id: the MQTT client id; None over HTTPS, where `${iot:ClientId}` has no value.
            context: further condition keys, `{"iot:ConnectAttributes": ("LastWill",)}`.
            is_whole_resource: take `resource` as it is: `*` or an identity id, which only a
                statement on `*` allows.
        """
        further = tuple(sorted(context.items())) if context else ()
        key = (principal, action, resource, source_ip, client_id, further, is_whole_resource)
        generation = self._in_force.generation
        if generation != self._decided_generation or len(self._decided) >= DECISIONS_KEPT:
            self._decided.clear()
            self._decided_generation = generation
        decision = self._decided.get(key)
        if decision is None:
            arn = resource if is_whole_resource else self._arn_prefix + resource
            known = {**self._known_of(principal, source_ip, client_id), **dict(further)}
            layers = self._layers(principal, action, known)
            decision = self._decided[key] = decide(layers, str(principal), action, arn)
        self._log.note(self._wall_clock_s(), decision)
        return decision

    def _known_of(
        self, principal: Principal, source_ip: str, client_id: str | None
    ) -> dict[str, str | tuple[str, ...]]:
        now = datetime.fromtimestamp(self._wall_clock_s(), UTC)
        known: dict[str, str | tuple[str, ...] | None] = {
            SOURCE_IP: source_ip,
            CURRENT_TIME: now.isoformat(),
            COGNITO_SUB: principal.identity_id,
            COGNITO_AUD: principal.pool_id,
            COGNITO_AMR: principal.amr,
            CLIENT_ID: client_id,
        }
        return {key: value for key, value in known.items() if value}

    def _layers(self, principal: Principal, action: str, known: Context) -> list[Layer]:
        role = principal.role
        layers = [
            Layer("role policy", self._in_force.of_role(role), known, f"the role policy {role}")
        ]
        if principal.session_policies:
            session = tuple(map(_read_session_policy, principal.session_policies))
            if any(policy.asks_for(CURRENT_TIME) for policy in session):
                self._in_force.note_time_matters()
            layers.append(Layer("session policy", session, known, "the session policy"))
        if self._needs_iot_policy(principal, action):
            identity = principal.identity_id or ""
            attached = self._in_force.attached_to(identity)
            place = f"an IoT policy attached to {identity}"
            layers.append(Layer("IoT policy", attached, self._known_in_iot_policies(known), place))
        return layers

    def _needs_iot_policy(self, principal: Principal, action: str) -> bool:
        if not principal.is_authenticated_identity:
            return False
        is_basic_flow = principal.session_name != COGNITO_SESSION_NAME
        if is_basic_flow and not self._choices.basic_flow_needs_iot_policy:
            return False
        if action == "iot:RetainPublish":
            return self._choices.retain_publish_needs_iot_policy
        return action in INTERSECTED_ACTIONS

    def _known_in_iot_policies(self, known: Context) -> Context:
        withheld = {COGNITO_AUD, COGNITO_AMR}
        if not self._choices.cognito_sub_in_iot_policies:
            withheld.add(COGNITO_SUB)
        return {key: value for key, value in known.items() if key not in withheld}


@lru_cache(maxsize=_SESSION_POLICIES_KEPT)
def _read_session_policy(text: str) -> Policy:
    """Read a session's policy; one that cannot be enforced allows nothing."""
    try:
        return read_policy(_SESSION, parse_document(_SESSION, text))
    except PolicyRefused as refusal:
        return Policy(f"of the session, not enforceable: {refusal}", ())
