"""Which policies are in force now: changes come at once, or later, as AWS lets them propagate.

Source: https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bellwire_local.iam.conditions import (
    CLIENT_ID,
    COGNITO_SUB,
    CONNECT_ATTRIBUTES,
    CURRENT_TIME,
    SOURCE_IP,
)
from bellwire_local.iam.policies import Policy, PolicyDocument, read_policy

IOT_POLICY_KEYS = frozenset({CONNECT_ATTRIBUTES, CURRENT_TIME, SOURCE_IP})
IOT_POLICY_VARIABLES = frozenset({CLIENT_ID, COGNITO_SUB, SOURCE_IP})
"""Source: https://docs.aws.amazon.com/iot/latest/developerguide/basic-policy-variables.html"""

TIMED_DECISION_S = 1
"""How long a decision may be kept while a policy asks for the time. Ours."""


def read_iot_policy(name: str, document: object) -> Policy:
    """Read an IoT policy, in which fewer keys have a value than in a role's.

    Raises:
        PolicyRefused: it holds what is not enforced.
    """
    return read_policy(name, document, keys=IOT_POLICY_KEYS, variables=IOT_POLICY_VARIABLES)


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """A role has this policy from now on."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class IotPolicyChanged:
    """An IoT policy says this from now on; None: it is deleted."""

    name: str
    policy: Policy | None


@dataclass(frozen=True, slots=True)
class AttachmentsChanged:
    """Exactly these IoT policies are attached to a target from now on."""

    target: str
    names: tuple[str, ...]


PolicyChange = RoleChanged | IotPolicyChanged | AttachmentsChanged


class PoliciesInForce:
    """The policies of one account; a change comes into force `propagation_s` after it is made."""

    def __init__(
        self, roles: Mapping[str, PolicyDocument], monotonic_s: Callable[[], float]
    ) -> None:
        """Put the policies of the roles in force.

        Raises:
            PolicyRefused: one of them holds what is not enforced.
        """
        self._monotonic_s = monotonic_s
        self._roles: dict[str, Policy] = {}
        self._iot_policies: dict[str, Policy] = {}
        self._attached: dict[str, tuple[str, ...]] = {}
        self._waiting: deque[tuple[float, PolicyChange]] = deque()
        self._generation = 0
        self._is_timed = False
        self._timed_until_s = 0.0
        self._propagation_s = 0.0
        for name, document in roles.items():
            self._apply(RoleChanged(read_policy(name, document)))

    @property
    def propagation_s(self) -> float:
        """How long a change takes to come into force, in seconds."""
        return self._propagation_s

    @propagation_s.setter
    def propagation_s(self, delay_s: float) -> None:
        """Set it; what waits already comes in `delay_s` at the latest."""
        self._propagation_s = delay_s
        latest_s = self._monotonic_s() + delay_s
        self._waiting = deque((min(due_s, latest_s), change) for due_s, change in self._waiting)
        self._settle()

    @property
    def generation(self) -> int:
        """A number that rises whenever decisions made before may not hold any more."""
        if self._waiting or self._is_timed:
            self._settle()
        return self._generation

    def change(self, change: PolicyChange) -> None:
        """Bring a change into force after `propagation_s`; changes keep their order."""
        now_s = self._monotonic_s()
        latest_s = self._waiting[-1][0] if self._waiting else now_s
        self._waiting.append((max(now_s + self._propagation_s, latest_s), change))
        self._settle()

    def of_role(self, role: str) -> tuple[Policy, ...]:
        """Return a role's policies; none for a role that does not exist."""
        policy = self._roles.get(role)
        return () if policy is None else (policy,)

    def attached_to(self, target: str) -> tuple[Policy, ...]:
        """Return the IoT policies attached to an identity."""
        found = (self._iot_policies.get(name) for name in self._attached.get(target, ()))
        return tuple(policy for policy in found if policy is not None)

    def note_time_matters(self) -> None:
        """From now on let `generation` rise with the clock."""
        self._is_timed = True

    def _settle(self) -> None:
        now_s = self._monotonic_s()
        while self._waiting and self._waiting[0][0] <= now_s:
            self._apply(self._waiting.popleft()[1])
        if self._is_timed and now_s >= self._timed_until_s:
            self._timed_until_s = now_s + TIMED_DECISION_S
            self._generation += 1

    def _apply(self, change: PolicyChange) -> None:
        self._generation += 1
        match change:
            case RoleChanged(policy):
                self._roles[policy.name] = policy
                self._note_time_in(policy)
            case IotPolicyChanged(name, None):
                self._iot_policies.pop(name, None)
            case IotPolicyChanged(name, policy) if policy is not None:
                self._iot_policies[name] = policy
                self._note_time_in(policy)
            case AttachmentsChanged(target, names):
                self._attached[target] = names

    def _note_time_in(self, policy: Policy) -> None:
        if policy.asks_for(CURRENT_TIME):
            self.note_time_matters()
