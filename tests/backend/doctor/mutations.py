"""Documents that say too little or too much: each differs from ours in one place."""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bellwire.policies import Document

Documents = Mapping[str, Document]


@dataclass(frozen=True)
class Mutation:
    """One document altered: which, where, how, and all of them as they are then."""

    document: str
    statement: str
    change: str
    documents: Documents

    @property
    def name(self) -> str:
        return f"{self.document}, {self.statement}: {self.change}"


def mutations_of(documents: Documents) -> Iterator[Mutation]:
    """Take each part of each statement away, and widen each resource."""
    for name, document in documents.items():
        for at, statement in enumerate(document["Statement"]):
            sid = statement.get("Sid", statement["Action"])
            for change, altered in _alterations(statement):
                statements = [*document["Statement"]]
                statements[at : at + 1] = altered
                changed = {**document, "Statement": statements}
                yield Mutation(name, sid, change, {**documents, name: changed})


def with_more(documents: Documents, name: str, action: str, resource: str) -> Documents:
    """Let whoever holds a document do something more."""
    more = {"Effect": "Allow", "Action": action, "Resource": resource}
    document = copy.deepcopy(dict(documents[name]))
    return {**documents, name: {**document, "Statement": [*document["Statement"], more]}}


def without(documents: Documents, name: str, sid: str) -> Documents:
    """Take a statement away."""
    kept = [one for one in documents[name]["Statement"] if one.get("Sid") != sid]
    assert len(kept) < len(documents[name]["Statement"])
    return {**documents, name: {**documents[name], "Statement": kept}}


def with_text(documents: Documents, name: str, old: str, new: str) -> Documents:
    """Write something else in a document."""
    text = json.dumps(documents[name])
    assert old in text
    return {**documents, name: json.loads(text.replace(old, new))}


def _alterations(statement: Mapping[str, Any]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    yield "dropped", []
    for part in ("Action", "Resource"):
        listed = _listed(statement[part])
        if len(listed) > 1:
            for one in listed:
                left = [other for other in listed if other != one]
                yield f"without {one}", [{**statement, part: left}]
    if statement["Effect"] == "Allow":
        listed = _listed(statement["Resource"])
        for at, resource in enumerate(listed):
            for wider in _wider(resource):
                widened = [*listed[:at], wider, *listed[at + 1 :]]
                yield f"{resource} widened to {wider}", [{**statement, "Resource": widened}]


def _wider(resource: str) -> Iterator[str]:
    if resource != "*":
        yield "*"
    above, _, last = resource.rpartition("/")
    if last == "*" and "/" in above:
        yield f"{above.rpartition('/')[0]}/*"


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
