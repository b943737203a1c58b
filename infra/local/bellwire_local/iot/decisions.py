"""Decisions that explain themselves, and a memory of the latest; `authorization` makes them."""

import itertools
import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from bellwire_local.iam.patterns import escape
from bellwire_local.identity.principals import Principal
from bellwire_local.printable import printable

DocumentKind = Literal["role policy", "session policy", "IoT policy"]

REFUSED_KEPT = 1_000
ALLOWED_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Document:
    """A policy that was asked."""

    kind: DocumentKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Missing:
    """Policies of one kind that must allow a request, and do not.

    `place` is where a statement would have to stand; `why` says more than that none allowed it.
    """

    place: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with everything needed to understand it.

    `statement` and `said_by` are what denied or allowed it; `missing` is whoever did not allow it,
    empty when a Deny decided.
    """

    is_allowed: bool
    principal: Principal
    action: str
    resource: str
    documents: tuple[Document, ...]
    statement: str | None = None
    said_by: Document | None = None
    missing: tuple[Missing, ...] = ()

    @property
    def remedy(self) -> Mapping[str, str] | None:
        """The smallest statement that would allow it, in each of the places of `missing`.

        `{"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:…:topic/a"}`; None where
        nothing is missing.
        """
        if not self.missing:
            return None
        is_arn = self.resource.startswith("arn:")  # a policy can name nothing else, except all
        resource = escape(self.resource) if is_arn else "*"
        return {"Effect": "Allow", "Action": self.action, "Resource": resource}

    def __str__(self) -> str:
        return printable(self._line())

    def _line(self) -> str:
        said = "allowed" if self.is_allowed else "refused"
        asked = ", ".join(map(str, self.documents)) or "no document"
        line = f"{said} {self.action} on {self.resource} for {self.principal} (asked {asked}): "
        if self.missing:
            places = " and to ".join(missing.place for missing in self.missing)
            whys = "".join(f"{missing.why}; " for missing in self.missing if missing.why)
            return f"{line}no statement allows it; {whys}add to {places}: {json.dumps(self.remedy)}"
        verb = "allows" if self.is_allowed else "denies"
        return f"{line}statement {self.statement} of {self.said_by} {verb} it"

    def as_json(self) -> dict[str, object]:
        """Shape it for reading by programs:

        `{"allowed": false, "who": "guest_role/us-east-1:…", "action": "iot:Publish",
        "resource": "arn:…", "documents": [{"kind": "role policy", "name": "guest_role"}],
        "statement": {"name": "Sid", "document": {…}} | null,
        "remedy": {"statement": {…}, "places": ["the role policy guest_role"]} | null,
        "line": "refused …"}`
        """
        remedy = None
        if self.remedy is not None:
            places = [missing.place for missing in self.missing]
            remedy = {"statement": dict(self.remedy), "places": places}
        statement = None
        if self.said_by is not None:
            statement = {"name": self.statement, "document": _document_json(self.said_by)}
        return {
            "allowed": self.is_allowed,
            "who": str(self.principal),
            "action": self.action,
            "resource": self.resource,
            "documents": [_document_json(document) for document in self.documents],
            "statement": statement,
            "remedy": remedy,
            "line": str(self),
        }


class DecisionLog:
    """The latest decisions; allowed ones are kept apart, so that they push no refusal out."""

    def __init__(self) -> None:
        self._refused: deque[tuple[int, int, Decision]] = deque(maxlen=REFUSED_KEPT)
        self._allowed: deque[tuple[int, int, Decision]] = deque(maxlen=ALLOWED_KEPT)
        self._numbers = itertools.count()

    def note(self, at_ms: int, decision: Decision) -> None:
        """Remember a decision made at `at_ms` (since 1970)."""
        kept = self._allowed if decision.is_allowed else self._refused
        kept.append((next(self._numbers), at_ms, decision))

    def latest(self, limit: int) -> Iterator[dict[str, object]]:
        """Return at most `limit` decisions, the newest first, as `Decision.as_json` with `at`."""
        newest = sorted((*self._refused, *self._allowed), key=lambda kept: -kept[0])
        for _, at_ms, decision in newest[: max(limit, 0)]:
            yield {"at": at_ms, **decision.as_json()}


def _document_json(document: Document) -> dict[str, str]:
    return {"kind": document.kind, "name": document.name}
