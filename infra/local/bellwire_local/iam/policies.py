"""AWS policy documents: read strictly, evaluated purely.

Reading refuses every element that is not enforced, so that no document means less here than on AWS.
Who holds which document is not known here; what a Condition may say is `conditions`'.
Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html,
https://docs.aws.amazon.com/iot/latest/developerguide/pub-sub-policy.html
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.conditions import KEYS, VARIABLES, AnyCondition, read_conditions
from bellwire_local.iam.patterns import Context, Pattern, read_pattern

PolicyDocument = Mapping[str, object]
"""A policy as parsed JSON, its placeholders replaced:
`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}`
"""

Effect = Literal["Allow", "Deny"]

POLICY_VERSION = "2012-10-17"
_DOCUMENT_ELEMENTS = {"Version", "Id", "Statement"}
_STATEMENT_ELEMENTS = {
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `inverted_…` is true for NotAction and NotResource.

    `excluded_by` are the variables that say what is left out: of NotResource and of the operators
    with Not.
    """

    name: str
    effect: Effect
    actions: tuple[Pattern, ...]
    inverted_actions: bool
    resources: tuple[Pattern, ...]
    inverted_resources: bool
    conditions: tuple[AnyCondition, ...] = ()
    excluded_by: tuple[str, ...] = ()

    def covers(self, action: str, resource: str, context: Context) -> bool:
        """Whether the statement speaks about this action on this resource in this context.

        AWS says that a variable without a value may void the whole statement. So an Allow that
        leaves something out by such a variable says nothing, while a Deny still denies the rest.
        Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
        """
        if not self.covers_action(action):
            return False
        if self.effect == "Allow" and not all(key in context for key in self.excluded_by):
            return False
        resource_fits = any(pattern.matches(resource, context) for pattern in self.resources)
        if resource_fits == self.inverted_resources:
            return False
        return all(condition.holds(context) for condition in self.conditions)

    def covers_action(self, action: str) -> bool:
        """Whether the statement speaks about this action on whatever resource."""
        action_fits = any(pattern.matches(action, {}) for pattern in self.actions)
        return action_fits != self.inverted_actions


@dataclass(frozen=True, slots=True)
class Policy:
    """A document that has been read."""

    name: str
    statements: tuple[Statement, ...]

    def asks_for(self, key: str) -> bool:
        """Whether a condition names this key, so that the answer may change with its value."""
        return any(
            condition.key == key
            for statement in self.statements
            for condition in statement.conditions
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a set of policies says; `statement` is None when none spoke, which is a refusal."""

    is_allowed: bool
    policy: Policy | None = None
    statement: Statement | None = None

    @property
    def is_explicit_denial(self) -> bool:
        """Whether a Deny decided, against which no Allow helps."""
        return self.statement is not None and not self.is_allowed


def read_policy(
    name: str,
    document: object,
    *,
    keys: frozenset[str] = KEYS,
    variables: frozenset[str] = VARIABLES,
) -> Policy:
    """Read one document, a `PolicyDocument` if it is any good.

    Args:
        keys: the condition keys that are known where the policy is used.
        variables: what may stand as `${…}` there.

    Raises:
        PolicyRefused: for any element, version, effect, condition or variable that is not enforced
            here.
    """
    read = (
        _read_statement(where, statement, keys, variables)
        for where, statement in statements_of(name, document)
    )
    return Policy(name, tuple(read))


def parse_document(name: str, text: str) -> object:
    """Parse the JSON text of a policy that somebody sends.

    Raises:
        PolicyRefused: it is not JSON, nested too deeply, holds half of a surrogate pair, or one
            object has a name twice, of which one would be lost.
    """
    try:
        document: object = json.loads(text, object_pairs_hook=_read_object)
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise PolicyRefused(f"{name} is not JSON that can be read: {error}") from error
    return document


def _read_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return read


def statements_of(name: str, document: object) -> list[tuple[str, Mapping[str, object]]]:
    """Return the statements of any kind of policy, each with the words to complain about it in.

    Raises:
        PolicyRefused: the document is no policy of the one version that is enforced.
    """
    if not isinstance(document, Mapping):
        raise PolicyRefused(f"{name} is {document!r}; an object is expected")
    unknown = sorted(str(element) for element in set(document) - _DOCUMENT_ELEMENTS)
    if unknown:
        raise PolicyRefused(f"{name}: the element {unknown[0]!r} is not enforced")
    if document.get("Version") != POLICY_VERSION:
        raise PolicyRefused(
            f"{name}: Version is {document.get('Version')!r}; {POLICY_VERSION!r} is expected, "
            "without which variables are plain text"
        )
    listed = document.get("Statement")
    statements = listed if isinstance(listed, list) else [listed]
    found = []
    for place, statement in enumerate(statements):
        where = f"{name}, statement {place}"
        if not isinstance(statement, Mapping):
            raise PolicyRefused(f"{where} is {statement!r}; an object is expected")
        found.append((where, statement))
    return found


def evaluate(policies: Iterable[Policy], action: str, resource: str, context: Context) -> Verdict:
    """Decide as AWS does: an explicit Deny wins, then an Allow is needed, else it is refused."""
    allowed = Verdict(is_allowed=False)
    for policy in policies:
        for statement in policy.statements:
            if not statement.covers(action, resource, context):
                continue
            if statement.effect == "Deny":
                return Verdict(is_allowed=False, policy=policy, statement=statement)
            if not allowed.is_allowed:
                allowed = Verdict(is_allowed=True, policy=policy, statement=statement)
    return allowed


def check_elements(where: str, statement: Mapping[str, object], known: set[str]) -> None:
    """Refuse a statement that holds anything else than `known`.

    Raises:
        PolicyRefused: it does.
    """
    unknown = sorted(str(element) for element in set(statement) - known)
    if unknown:
        raise PolicyRefused(f"{where}: the element {unknown[0]!r} is not enforced")


def read_effect(where: str, statement: Mapping[str, object]) -> Effect:
    """Read the Effect.

    Raises:
        PolicyRefused: it is neither Allow nor Deny.
    """
    effect = statement.get("Effect")
    if effect == "Allow":
        return "Allow"
    if effect == "Deny":
        return "Deny"
    raise PolicyRefused(f"{where}: Effect is {effect!r}; 'Allow' or 'Deny' is expected")


def read_element(
    where: str,
    statement: Mapping[str, object],
    element: Literal["Action", "Resource"],
    variables: frozenset[str] = frozenset(),
) -> tuple[tuple[Pattern, ...], bool]:
    """Read Action or NotAction, Resource or NotResource; the flag is true for those with Not.

    Actions are compared without regard to case, resources with it.

    Raises:
        PolicyRefused: neither or both are there, or what is there cannot be enforced.
    """
    present = [name for name in (element, f"Not{element}") if name in statement]
    if len(present) != 1:
        raise PolicyRefused(f"{where}: exactly one of {element} and Not{element} is expected")
    listed = statement[present[0]]
    texts = listed if isinstance(listed, list) else [listed]
    if not texts:
        raise PolicyRefused(f"{where}: {present[0]} is empty")
    patterns = tuple(
        read_pattern(
            f"{where}: {present[0]}",
            text,
            variables=variables,
            ignore_case=element == "Action",
            is_resource=element == "Resource",
        )
        for text in texts
    )
    return patterns, present[0] != element


def _read_statement(
    where: str,
    statement: Mapping[str, object],
    keys: frozenset[str],
    variables: frozenset[str],
) -> Statement:
    check_elements(where, statement, _STATEMENT_ELEMENTS)
    effect = read_effect(where, statement)
    actions, inverted_actions = read_element(where, statement, "Action")
    resources, inverted_resources = read_element(where, statement, "Resource", variables)
    conditions: tuple[AnyCondition, ...] = ()
    if "Condition" in statement:
        element = statement["Condition"]
        conditions = read_conditions(where, element, keys=keys, variables=variables)
    excluded_by = [key for condition in conditions for key in condition.excluded_by]
    if inverted_resources:
        excluded_by += [key for pattern in resources for key in pattern.variables]
    sid = statement.get("Sid")
    return Statement(
        str(sid) if sid else where,
        effect,
        actions,
        inverted_actions,
        resources,
        inverted_resources,
        conditions,
        tuple(excluded_by),
    )
