"""The policy documents under `iot_policies/`: where they are, filled in, and asked.

The same bytes are deployed, enforced by the stand-in and asked by the poll endpoint. The
evaluation here is for documents we write; whatever they do not use is refused at reading.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from bellwire.errors import Internal

_STATEMENT_FIELDS: Final = {"Sid", "Effect", "Action", "Resource"}
_VARIABLE: Final = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Place:
    """What the documents leave open: where and for which stage they are used."""

    region: str
    account_id: str
    stage: str


def load_policy(name: str, place: Place) -> Mapping[str, Any]:
    """Read a document, e.g. `"guest_role"`, and fill in its place.

    Raises:
        Internal: there is no such document, or it uses something that is not evaluated here.
    """
    document: Mapping[str, Any] = json.loads(
        render((_directory() / f"{name}.json").read_text(), place)
    )
    for statement in document["Statement"]:
        unknown = set(statement) - _STATEMENT_FIELDS
        if unknown:
            raise Internal(f"expected only {_STATEMENT_FIELDS} in {name}, found {unknown}")
    return document


def render(text: str, place: Place) -> str:
    """Put region, account and stage in place of `{region}`, `{account}` and `{stage}`."""
    return (
        text.replace("{region}", place.region)
        .replace("{account}", place.account_id)
        .replace("{stage}", place.stage)
    )


def is_allowed(
    document: Mapping[str, Any], action: str, resource: str, variables: Mapping[str, str]
) -> bool:
    """Evaluate one document: denied unless allowed, and whatever is denied outright stays so.

    Source: IAM guide, "Policy evaluation logic"; IoT guide, pub-sub-policy (`*` spans `/`).
    """
    effects = {
        statement["Effect"]
        for statement in document["Statement"]
        if any(_matches(p, action.lower(), {}) for p in _lowered(statement["Action"]))
        and any(_matches(p, resource, variables) for p in _listed(statement["Resource"]))
    }
    return effects == {"Allow"}


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _lowered(value: str | Sequence[str]) -> list[str]:
    return [item.lower() for item in _listed(value)]


def _matches(pattern: str, value: str, variables: Mapping[str, str]) -> bool:
    filled, at = "", 0
    for variable in _VARIABLE.finditer(pattern):
        name = variable[1]
        if name not in variables and name not in "*?$":
            return False
        filled += _wildcards(pattern[at : variable.start()])
        filled += re.escape(variables.get(name, name))
        at = variable.end()
    return _compiled(filled + _wildcards(pattern[at:])).fullmatch(value) is not None


def _wildcards(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def _directory() -> Path:
    here = Path(__file__).parent
    installed, checkout = here / "iot_policies", here.parent.parent / "iot_policies"
    return installed if installed.is_dir() else checkout
