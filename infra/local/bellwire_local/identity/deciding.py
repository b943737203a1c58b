"""Policies asked together for a decision that explains itself; which ones to ask, others know."""

from collections.abc import Mapping
from dataclasses import dataclass

from bellwire_local.iam.patterns import Context
from bellwire_local.iam.policies import Policy, evaluate
from bellwire_local.identity.decisions import Decision, Document, DocumentKind, Missing


@dataclass(frozen=True, slots=True)
class Layer:
    """Policies of one kind, which must allow a request together."""

    kind: DocumentKind
    policies: tuple[Policy, ...]
    context: Context
    place: str


def decide(layers: list[Layer], who: str, action: str, arn: str) -> Decision:
    """Ask every layer; an explicit Deny wins, else each must allow the action on the resource."""
    asked = [(layer, evaluate(layer.policies, action, arn, layer.context)) for layer in layers]
    documents = tuple(
        Document(layer.kind, policy.name) for layer in layers for policy in layer.policies
    )
    denied = next((said for said in asked if said[1].is_explicit_denial), None)
    missing = tuple(
        _say_missing(layer, action) for layer, verdict in asked if verdict.statement is None
    )
    if denied is None and missing:
        return Decision(
            is_allowed=False,
            who=who,
            action=action,
            resource=arn,
            documents=documents,
            missing=missing,
        )
    layer, verdict = denied or asked[-1]
    return Decision(
        is_allowed=denied is None,
        who=who,
        action=action,
        resource=arn,
        documents=documents,
        statement=verdict.statement.name if verdict.statement else None,
        said_by=Document(layer.kind, verdict.policy.name) if verdict.policy else None,
    )


def _say_missing(layer: Layer, action: str) -> Missing:
    if not layer.policies:
        return Missing(layer.kind, layer.place, _NOTHING_TO_ASK[layer.kind])
    unresolved = {
        f"{policy.name} uses ${{{variable}}}, which has no value here"
        for policy in layer.policies
        for statement in policy.statements
        if statement.effect == "Allow" and statement.covers_action(action)
        for pattern in statement.resources
        for variable in pattern.variables
        if variable not in layer.context
    }
    return Missing(layer.kind, layer.place, ", ".join(sorted(unresolved)))


_NOTHING_TO_ASK: Mapping[DocumentKind, str] = {
    "role policy": "there is no such role",
    "session policy": "the session policy is empty",
    "IoT policy": "no IoT policy is attached to the identity, and one that has logged in needs one",
    "trust policy": "the role has no trust policy",
}
