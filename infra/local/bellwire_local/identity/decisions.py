"""Decisions that explain themselves, however they were made, and a memory of the latest.

`deciding` makes them of policies; IoT, Cognito and STS of every account write to one memory.
"""

import itertools
import json
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from bellwire_local.iam.patterns import escape
from bellwire_local.identity.sigv4 import ReceivedRequest
from bellwire_local.printable import printable

logger = logging.getLogger(__name__)

DocumentKind = Literal["role policy", "session policy", "IoT policy", "trust policy"]

REFUSED_KEPT = 1_000
ALLOWED_KEPT = 1_000
UNSIGNED_KEPT = 200
SHOWN_CHARACTERS = 512
"""How much of a stranger's request is kept."""


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

    kind: DocumentKind
    place: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with everything needed to understand it.

    `statement` and `said_by` are what denied or allowed it; `missing` is whoever did not allow it,
    empty when a Deny decided. `reason` says why where no policy was asked. `statement_wanted` is
    the remedy where it is another than a statement on action and resource.
    """

    is_allowed: bool
    who: str
    action: str
    resource: str
    documents: tuple[Document, ...]
    statement: str | None = None
    said_by: Document | None = None
    missing: tuple[Missing, ...] = ()
    reason: str | None = None
    statement_wanted: Mapping[str, object] | None = None

    @property
    def remedy(self) -> Mapping[str, object] | None:
        """The smallest statement that would allow it, in each of the places of `missing`.

        `{"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:…:topic/a"}`; None where
        nothing is missing.
        """
        if not self.missing:
            return None
        if self.statement_wanted is not None:
            return self.statement_wanted
        is_arn = self.resource.startswith("arn:")  # a policy can name nothing else, except all
        resource = escape(self.resource) if is_arn else "*"
        return {"Effect": "Allow", "Action": self.action, "Resource": resource}

    def __str__(self) -> str:
        return printable(self._line())

    def _line(self) -> str:
        said = "allowed" if self.is_allowed else "refused"
        asked = ", ".join(map(str, self.documents)) or "no document"
        line = f"{said} {self.action} on {self.resource} for {self.who} (asked {asked}): "
        if self.reason is not None:
            return line + self.reason
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
        "reason": "The security token …" | null,
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
            "who": self.who,
            "action": self.action,
            "resource": self.resource,
            "documents": [_document_json(document) for document in self.documents],
            "statement": statement,
            "reason": self.reason,
            "remedy": remedy,
            "line": str(self),
        }


class DecisionLog:
    """The latest decisions, in three kinds of which none pushes another out.

    Refused ones of who has signed, allowed ones, and requests that anybody may send.
    """

    def __init__(self) -> None:
        self._refused: deque[tuple[int, int, Decision]] = deque(maxlen=REFUSED_KEPT)
        self._allowed: deque[tuple[int, int, Decision]] = deque(maxlen=ALLOWED_KEPT)
        self._unsigned: deque[tuple[int, int, Decision]] = deque(maxlen=UNSIGNED_KEPT)
        self._numbers = itertools.count()

    def note(self, now_s: float, decision: Decision) -> None:
        """Remember a decision made at `now_s` (since 1970), and log a refusal in one line."""
        self.keep(now_s, decision)
        if not decision.is_allowed:
            logger.warning("%s", decision)

    def keep(self, now_s: float, decision: Decision) -> None:
        """Remember a decision that is logged elsewhere."""
        self._keep(self._allowed if decision.is_allowed else self._refused, now_s, decision)

    def keep_unsigned(self, request: ReceivedRequest, why: Exception, now_s: float) -> None:
        """Remember a request that proves nobody's identity."""
        decision = Decision(
            is_allowed=False,
            who="nobody",
            action=ascii(request.method)[1 : SHOWN_CHARACTERS + 1].removesuffix("'"),
            resource=ascii(request.path)[1 : SHOWN_CHARACTERS + 1].removesuffix("'"),
            documents=(),
            reason=str(why)[:SHOWN_CHARACTERS],
        )
        self._keep(self._unsigned, now_s, decision)

    def _keep(
        self, kept: deque[tuple[int, int, Decision]], now_s: float, decision: Decision
    ) -> None:
        kept.append((next(self._numbers), int(now_s * 1000), decision))

    def latest(self, limit: int) -> Iterator[dict[str, object]]:
        """Return at most `limit` decisions, the newest first, as `Decision.as_json` with `at`."""
        kept = (*self._refused, *self._allowed, *self._unsigned)
        newest = sorted(kept, key=lambda one: -one[0])
        for _, at_ms, decision in newest[: max(limit, 0)]:
            yield {"at": at_ms, **decision.as_json()}


def _document_json(document: Document) -> dict[str, str]:
    return {"kind": document.kind, "name": document.name}
