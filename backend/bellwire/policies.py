"""The policy documents under `iot_policies/`: where they are, filled in, and asked.

The same bytes are deployed, enforced by the stand-in and asked by the poll endpoint. The
evaluation here is for documents we write; whatever they do not use is refused at reading.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from bellwire.errors import Internal

_STATEMENT_FIELDS: Final = {"Sid", "Effect", "Action", "Resource"}
_OPEN: Final = re.compile(r"(?<!\$)\{([a-z_]+)\}")
_VARIABLE: Final = re.compile(r"\$\{([^}]+)\}")


Document = Mapping[str, Any]
"""A policy as parsed JSON: `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", …}]}`."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the documents leave open: where and for which stage they are used.

    Attributes:
        pool_id: the identity pool; `"{pool}"` where whoever enforces the documents fills it in.
        api_id: the HTTP API that signed requests go to.
        role_prefix: what the names of deployed roles begin with.
        home_account_id: the account that sessions are opened in, if it is another than the one
            that pushes; empty: the same.
    """

    region: str
    account_id: str
    stage: str
    pool_id: str = "{pool}"
    api_id: str = "local"
    role_prefix: str = ""
    home_account_id: str = ""


@lru_cache(maxsize=256)
def load_policy(name: str, place: Place, **more: str) -> Document:
    """Read a document, e.g. `"guest_role"`, and fill in its place.

    Args:
        more: what else the document leaves open: `group` of `group_identity`.

    Raises:
        Internal: there is no such document, or it uses something that is not evaluated here.
    """
    document = _load(name, place, more)
    for statement in document["Statement"]:
        unknown = set(statement) - _STATEMENT_FIELDS
        if unknown:
            raise Internal(f"expected only {_STATEMENT_FIELDS} in {name}, found {unknown}")
    return document


def load_trust(role: str, place: Place) -> Document:
    """Read the trust policy of a role, e.g. of `"guest_role"`, and fill in its place.

    Raises:
        Internal: there is no such document.
    """
    return _load(f"{role}.trust", place, {})


def is_allowed(
    documents: Iterable[Document], action: str, resource: str, variables: Mapping[str, str]
) -> bool:
    """Evaluate documents that one principal holds: denied unless one of them allows it, and
    whatever one of them denies stays denied.

    Source: IAM guide, "Policy evaluation logic"; IoT guide, pub-sub-policy (`*` spans `/`).
    """
    effects = {
        statement["Effect"]
        for document in documents
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


def _load(name: str, place: Place, more: Mapping[str, str]) -> Document:
    path = _directory() / f"{name}.json"
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        raise Internal(f"there is no policy document {name}.json") from error
    document: Document = json.loads(_render(text, place, more))
    return document


def _render(text: str, place: Place, more: Mapping[str, str]) -> str:
    """Fill in what stands in single braces; AWS's own `${…}` are left for each decision."""
    known = {
        "region": place.region,
        "account": place.account_id,
        "stage": place.stage,
        "pool": place.pool_id,
        "api": place.api_id,
        "role_prefix": place.role_prefix,
        "home_account": place.home_account_id or place.account_id,
        **more,
    }
    return _OPEN.sub(lambda open_place: known[open_place[1]], text)


def _directory() -> Path:
    here = Path(__file__).parent
    installed, checkout = here / "iot_policies", here.parent.parent / "iot_policies"
    return installed if installed.is_dir() else checkout
