"""What `--setup FILE` says: the identity pool, further roles and further accounts, as JSON.

The file, every part of which may be left out:

`{"pool": {"authenticated_role": "member_role", "developer_provider": "login.example",
"providers": {"accounts.google.com": {"issuer": "https://accounts.google.com",
"audiences": ["my-client-id"]}}},
"roles": {"member_role": {"policy": {…}, "trust": {…}, "max_session_s": 7200}},
"accounts": {"111111111111": {"roles": {…}}}}`

`pool` takes the names of `accounts.PoolSettings`; what it leaves out keeps its default. A provider
whose access tokens are opaque has, in the place of issuer and audiences, where it tells whose a
token is: `"graph.facebook.com": {"profile_url": "http://127.0.0.1:9000/me"}`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from bellwire_local.accounts import (
    MAX_SESSION_S,
    Account,
    OpaqueProvider,
    PoolSettings,
    Provider,
    Role,
)
from bellwire_local.dev.roles import check_role_name
from bellwire_local.errors import PolicyRefused, SetupRefused
from bellwire_local.iam.policies import parse_document
from bellwire_local.stand_in import StandInSettings

LONGEST_SESSION_S: Final = 43_200
"""Source: IAM API, MaxSessionDuration: from 3600 to 43200 seconds."""

_ACCOUNT_ID: Final = re.compile(r"\d{12}", re.ASCII)
SHOWN_CHARACTERS: Final = 200
_LOGINS_KEY: Final = re.compile(r"[\w.:/-]{1,128}", re.ASCII)
_PROVIDER_NAME: Final = re.compile(r"[\w._-]{1,128}", re.ASCII)
"""Source: Cognito Identity API, CreateIdentityPool, DeveloperProviderName."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the file says; `pool` holds only what it names."""

    pool: Mapping[str, object] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)


def apply_setup(settings: StandInSettings, path: Path) -> StandInSettings:
    """Read the file and add what it says; a role of the same name is replaced.

    Raises:
        SetupRefused: the file cannot be read, a part of it is none, or the pool is given a role
            that the home account does not have.
    """
    setup = _read(str(path), _read_json(path))
    home = settings.account_id
    if home in setup.accounts:
        raise SetupRefused(f"{path}: {home} is the home account; its roles stand in 'roles'")
    roles = {**settings.accounts.get(home, Account()).roles, **setup.roles}
    for word in ("unauthenticated_role", "authenticated_role"):
        named = setup.pool.get(word)
        if named is not None and named not in roles:
            known = ", ".join(sorted(roles)) or "none"
            raise SetupRefused(f"{path}: pool.{word} is {named!r}; the roles are: {known}")
    accounts = {**settings.accounts, home: Account(roles), **setup.accounts}
    pool: PoolSettings
    try:
        pool = replace(settings.pool, **setup.pool)  # type: ignore[arg-type]  # by name
    except PolicyRefused as error:
        raise SetupRefused(f"{path}: pool: {error}") from error
    return replace(settings, accounts=accounts, pool=pool)


def _read_json(path: Path) -> object:
    try:
        return parse_document(str(path), path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SetupRefused(f"{path} cannot be read: {why}") from error
    except PolicyRefused as error:
        raise SetupRefused(str(error)) from error


def _read(where: str, content: object) -> Setup:
    parts = _object(where, content, ("pool", "roles", "accounts"))
    accounts = _object(f"{where}: accounts", parts.get("accounts", {}))
    return Setup(
        _read_pool(f"{where}: pool", parts.get("pool", {})),
        _read_roles(f"{where}: roles", parts.get("roles", {})),
        {
            _account_id(where, name): _read_account(f"{where}: accounts.{name}", account)
            for name, account in accounts.items()
        },
    )


def _read_pool(where: str, content: object) -> dict[str, object]:
    hints = get_type_hints(PoolSettings)
    given = _object(where, content, tuple(each.name for each in fields(PoolSettings)))
    return {
        name: _read_setting(f"{where}.{name}", name, value, hints[name])
        for name, value in given.items()
    }


def _read_setting(where: str, name: str, value: object, kind: object) -> object:
    if name == "providers":
        return _read_providers(where, value)
    if name == "developer_provider" and value is not None:
        if not isinstance(value, str) or not _PROVIDER_NAME.fullmatch(value):
            raise _refuse(where, value, "1 to 128 letters, digits and . _ -")
        return value
    if kind is bool:
        return _check(where, value, lambda found: isinstance(found, bool), "true or false")
    if get_origin(kind) is UnionType:
        return _check(where, value, _is_text_or_nothing, "a text or null")
    possible = get_args(kind)
    expected = " or ".join(map(json.dumps, possible))
    is_possible = isinstance(value, str | int) and not isinstance(value, bool)
    return _check(where, value, lambda found: is_possible and found in possible, expected)


def _read_providers(where: str, content: object) -> dict[str, Provider | OpaqueProvider]:
    providers = _object(where, content)
    odd = next((name for name in providers if not _LOGINS_KEY.fullmatch(name)), None)
    if odd is not None:
        expected = "expected 1 to 128 letters, digits and . _ : / -"
        raise SetupRefused(f"{where} holds {odd!r:.200}; {expected}")
    return {name: _read_provider(f"{where}.{name}", each) for name, each in providers.items()}


def _read_provider(where: str, content: object) -> Provider | OpaqueProvider:
    given = _object(where, content, ("issuer", "audiences", "profile_url"))
    if ("profile_url" in given) == bool(given.keys() - {"profile_url"}):
        found = " and ".join(given) or "nothing"
        raise SetupRefused(f"{where} holds {found}; expected issuer and audiences, or profile_url")
    if "profile_url" in given:
        return _read_opaque_provider(f"{where}.profile_url", given["profile_url"])
    issuer, audiences = given.get("issuer"), given.get("audiences")
    if not isinstance(issuer, str) or not _is_web_address(issuer):
        raise _refuse(f"{where}.issuer", issuer, "a URL such as https://accounts.google.com")
    if not isinstance(audiences, list) or not audiences or not all(map(_is_text, audiences)):
        raise _refuse(f"{where}.audiences", audiences, "a list of client ids, at least one")
    return Provider(issuer, tuple(audiences))


def _read_opaque_provider(where: str, url: object) -> OpaqueProvider:
    if not isinstance(url, str) or not _is_web_address(url):
        raise _refuse(where, url, "a URL such as https://graph.facebook.com/me")
    return OpaqueProvider(url)


def _is_web_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        has_port = url.port != 0  # reading it checks it
    except ValueError:
        return False
    is_plain = text.isprintable() and " " not in text and "@" not in url.netloc
    return url.scheme in ("https", "http") and bool(url.hostname) and has_port and is_plain


def _read_account(where: str, content: object) -> Account:
    return Account(
        _read_roles(f"{where}.roles", _object(where, content, ("roles",)).get("roles", {}))
    )


def _read_roles(where: str, content: object) -> dict[str, Role]:
    return {
        name: _read_role(f"{where}.{name}", name, role)
        for name, role in _object(where, content).items()
    }


def _read_role(where: str, name: str, content: object) -> Role:
    try:
        check_role_name(where, name)
    except PolicyRefused as error:
        raise SetupRefused(str(error)) from error
    given = _object(where, content, ("policy", "trust", "max_session_s"))
    longest = given.get("max_session_s", MAX_SESSION_S)
    if type(longest) is not int or not MAX_SESSION_S <= longest <= LONGEST_SESSION_S:
        expected = f"whole seconds from {MAX_SESSION_S} to {LONGEST_SESSION_S}"
        raise _refuse(f"{where}.max_session_s", longest, expected)
    trust = given.get("trust")
    return Role(
        _object(f"{where}.policy", given.get("policy")),
        None if trust is None else _object(f"{where}.trust", trust),
        longest,
    )


def _account_id(where: str, name: str) -> str:
    if not _ACCOUNT_ID.fullmatch(name):
        raise SetupRefused(f"{where}: accounts holds {name!r}; an id of 12 digits is expected")
    return name


def _object(where: str, content: object, known: tuple[str, ...] | None = None) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise _refuse(where, content, "an object")
    unknown = next((name for name in content if known is not None and name not in known), None)
    if unknown is not None:
        raise SetupRefused(f"{where} holds {unknown!r}; expected {', '.join(known or ())}")
    return content


def _check(where: str, value: object, is_possible: Callable[[object], bool], words: str) -> object:
    if not is_possible(value):
        raise _refuse(where, value, words)
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_text_or_nothing(value: object) -> bool:
    return value is None or _is_text(value)


def _refuse(where: str, found: object, expected: str) -> SetupRefused:
    shown = json.dumps(found)
    shown = shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"
    return SetupRefused(f"{where} is {shown}; expected {expected}")
