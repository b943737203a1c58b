"""AWS policy documents: read strictly, evaluated purely.

Reading refuses every element that is not enforced, so that no document means less here than on AWS.
Who holds which document is not known here: see `authorization`.
Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html,
https://docs.aws.amazon.com/iot/latest/developerguide/pub-sub-policy.html
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bellwire_local.errors import PolicyRefused

PolicyDocument = Mapping[str, object]
"""A policy as parsed JSON, its placeholders replaced:
`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}`
"""

Effect = Literal["Allow", "Deny"]

POLICY_VERSION = "2012-10-17"
VARIABLES = frozenset({"cognito-identity.amazonaws.com:sub", "iot:ClientId", "aws:SourceIp"})
_DOCUMENT_ELEMENTS = {"Version", "Id", "Statement"}
_STATEMENT_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource"}
_TOKENS = re.compile(r"\$\{([^}]*)\}|([*?])|([^*?$]+|\$)", re.DOTALL)
_PLACEHOLDERS = re.compile(r"(?<!\$)\{(region|account|stage)\}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One Action or Resource element; `parts` are literal text, `*` and `?`, and variables."""

    source: str
    parts: tuple[tuple[Literal["text", "wildcard", "variable"], str], ...]
    ignore_case: bool = False

    def matches(self, subject: str, variables: Mapping[str, str]) -> bool:
        """Whether the whole of `subject` fits; a variable without a value fits nothing."""
        expression = []
        for kind, value in self.parts:
            if kind == "wildcard":
                expression.append(".*" if value == "*" else ".")
                continue
            text = value if kind == "text" else variables.get(value)
            if text is None:
                return False
            expression.append(re.escape(text))
        flags = re.DOTALL | (re.IGNORECASE if self.ignore_case else 0)
        return re.fullmatch("".join(expression), subject, flags) is not None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `inverted_…` is true for NotAction and NotResource."""

    name: str
    effect: Effect
    actions: tuple[Pattern, ...]
    inverted_actions: bool
    resources: tuple[Pattern, ...]
    inverted_resources: bool

    def covers(self, action: str, resource: str, variables: Mapping[str, str]) -> bool:
        """Whether the statement speaks about this action on this resource."""
        action_fits = any(pattern.matches(action, {}) for pattern in self.actions)
        if action_fits == self.inverted_actions:
            return False
        resource_fits = any(pattern.matches(resource, variables) for pattern in self.resources)
        return resource_fits != self.inverted_resources


@dataclass(frozen=True, slots=True)
class Policy:
    """A document that has been read."""

    name: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a set of policies says; `statement` is None when none spoke, which is a refusal."""

    is_allowed: bool
    policy: Policy | None = None
    statement: Statement | None = None


def read_policy(name: str, document: PolicyDocument) -> Policy:
    """Read one document.

    Raises:
        PolicyRefused: for any element, version, effect or variable that is not enforced here.
    """
    unknown = sorted(set(document) - _DOCUMENT_ELEMENTS)
    if unknown:
        raise PolicyRefused(f"{name}: the element {unknown[0]!r} is not enforced")
    if document.get("Version") != POLICY_VERSION:
        raise PolicyRefused(
            f"{name}: Version is {document.get('Version')!r}; {POLICY_VERSION!r} is expected, "
            "without which variables are plain text"
        )
    listed = document.get("Statement")
    statements = listed if isinstance(listed, list) else [listed]
    return Policy(
        name,
        tuple(
            _read_statement(f"{name}, statement {place}", statement)
            for place, statement in enumerate(statements)
        ),
    )


def evaluate(
    policies: Iterable[Policy], action: str, resource: str, variables: Mapping[str, str]
) -> Verdict:
    """Decide as AWS does: an explicit Deny wins, then an Allow is needed, else it is refused."""
    allowed = Verdict(is_allowed=False)
    for policy in policies:
        for statement in policy.statements:
            if not statement.covers(action, resource, variables):
                continue
            if statement.effect == "Deny":
                return Verdict(is_allowed=False, policy=policy, statement=statement)
            if not allowed.is_allowed:
                allowed = Verdict(is_allowed=True, policy=policy, statement=statement)
    return allowed


def _read_statement(where: str, statement: object) -> Statement:
    if not isinstance(statement, Mapping):
        raise PolicyRefused(f"{where} is {statement!r}; an object is expected")
    unknown = sorted(set(statement) - _STATEMENT_ELEMENTS)
    if unknown:
        raise PolicyRefused(f"{where}: the element {unknown[0]!r} is not enforced")
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise PolicyRefused(f"{where}: Effect is {effect!r}; 'Allow' or 'Deny' is expected")
    actions, inverted_actions = _read_element(where, statement, "Action")
    resources, inverted_resources = _read_element(where, statement, "Resource")
    sid = statement.get("Sid")
    return Statement(
        str(sid) if sid else where,
        "Allow" if effect == "Allow" else "Deny",
        actions,
        inverted_actions,
        resources,
        inverted_resources,
    )


def _read_element(
    where: str, statement: Mapping[str, object], element: str
) -> tuple[tuple[Pattern, ...], bool]:
    present = [name for name in (element, f"Not{element}") if name in statement]
    if len(present) != 1:
        raise PolicyRefused(f"{where}: exactly one of {element} and Not{element} is expected")
    listed = statement[present[0]]
    texts = listed if isinstance(listed, list) else [listed]
    if not texts:
        raise PolicyRefused(f"{where}: {present[0]} is empty")
    patterns = tuple(_read_pattern(where, text, element) for text in texts)
    return patterns, present[0] != element


def _read_pattern(where: str, text: object, element: str) -> Pattern:
    if not isinstance(text, str) or not text:
        raise PolicyRefused(f"{where}: {element} holds {text!r}; a text is expected")
    left_over = _PLACEHOLDERS.search(text)
    if left_over:
        raise PolicyRefused(f"{where}: the placeholder {left_over[0]} was not replaced in {text!r}")
    parts = [_read_part(where, token) for token in _TOKENS.finditer(text)]
    # Actions are compared without regard to case, resources with it.
    return Pattern(text, tuple(parts), ignore_case=element == "Action")


def _read_part(
    where: str, token: re.Match[str]
) -> tuple[Literal["text", "wildcard", "variable"], str]:
    variable, wildcard, text = token.groups()
    if wildcard:
        return "wildcard", wildcard
    if text:
        return "text", text
    if variable in ("*", "?", "$"):  # how a policy writes these characters themselves
        return "text", variable
    if variable not in VARIABLES:
        raise PolicyRefused(f"{where}: the variable ${{{variable}}} is not resolved here")
    return "variable", variable
