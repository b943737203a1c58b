"""IAM roles for the home account: Bellwire's own, or the documents of a folder."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bellwire.policies import Place, load_policy, load_trust
from bellwire_local.accounts import Role
from bellwire_local.dev.settings import ACCOUNT_ID, REGION, STAGE
from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.policies import parse_document

PLACE: Final = Place(REGION, ACCOUNT_ID, STAGE)
ROLES: Final = (
    "guest_role",
    "member_role",
    "narrowed_role",
    "publisher_role",
    "operator_role",
    "session_role",
    "connections_role",
)
_TRUST_SUFFIX: Final = ".trust.json"
_NAME: Final = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


def bellwire_roles() -> dict[str, Role]:
    """Read the documents that Bellwire deploys, for stage `dev`."""
    return {name: Role(load_policy(name, PLACE), load_trust(name, PLACE)) for name in ROLES}


def read_roles(folder: Path) -> dict[str, Role]:
    """Read `NAME.json`, the policy of a role, and `NAME.trust.json`, who may assume it.

    Raises:
        PolicyRefused: the folder holds no policy, a file in it is no JSON object, or its name
            cannot be a role's.
    """
    policies = [
        path for path in sorted(folder.glob("*.json")) if not path.name.endswith(_TRUST_SUFFIX)
    ]
    if not policies:
        raise PolicyRefused(f"no role in {folder}; expected files such as publisher_role.json")
    return {path.stem: _read_role(path) for path in policies}


def check_role_name(where: str, name: str) -> None:
    """Refuse a name that no role's ARN can hold.

    Source: IAM API, CreateRole, RoleName.

    Raises:
        PolicyRefused: it is such a name.
    """
    if not _NAME.fullmatch(name):
        raise PolicyRefused(
            f"{where}: a role cannot be named {name!r}; 1 to 64 letters of ASCII, digits and "
            "+ = , . @ _ - are expected"
        )


def _read_role(path: Path) -> Role:
    check_role_name(str(path.parent), path.stem)
    trust = path.with_name(path.stem + _TRUST_SUFFIX)
    return Role(_read_document(path), _read_document(trust) if trust.exists() else None)


def _read_document(path: Path) -> Mapping[str, Any]:
    try:
        document = parse_document(str(path), path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PolicyRefused(f"{path} is not a policy document: {error}") from error
    if not isinstance(document, dict):
        raise PolicyRefused(f"{path} is not a policy document: it is no JSON object")
    return document
