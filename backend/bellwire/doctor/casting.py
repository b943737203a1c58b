"""Gather the table's actors at a deployment: open sessions, find roles' keys, kick one of them.

At `bellwire dev` everybody is made up on the spot; elsewhere login tokens and AWS profiles are
given, and who has none is not on the scene.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from bellwire.aws.accounts import endpoint_of, keys_of_profile
from bellwire.config import LOOPBACK
from bellwire.doctor.asking import Asking
from bellwire.doctor.dev_login import dev_login
from bellwire.doctor.http_questions import kick_request, who_am_i
from bellwire.doctor.scene import Actor, Endpoints, Scene
from bellwire.doctor.tokens import forge, token_of_another_pool
from bellwire.doctor.truth_table import NARROWED_CHANNELS, Who
from bellwire.errors import BellwireError, Malformed, NotAllowed, Unauthenticated
from bellwire.http_calls import HttpCalls
from bellwire.identity_ports import Keys
from bellwire.wire_json import Json, decode_json, encode_json

MEMBERS: Final = {"alice": Who.ALICE, "bob": Who.BOB, "carol": Who.CAROL}
NAMED: Final = {"guest": Who.GUEST, **MEMBERS}
GROUPS: Final[Mapping[Who, str]] = {Who.ALICE: "red", Who.BOB: "blue", Who.CAROL: "red"}
ROLES: Final = {
    "job": Who.JOB,
    "operator": Who.OPERATOR,
    "session": Who.SESSION,
    "connections": Who.CONNECTIONS,
}
SETTLE_S: Final = 60.0
"""How long AWS is given to bring what was attached into force. Ours: AWS names no figure."""

_ROLE_NAMES: Final = {
    Who.JOB: "publisher_role",
    Who.OPERATOR: "operator_role",
    Who.SESSION: "session_role",
    Who.CONNECTIONS: "connections_role",
}
_TARGET_ROLES: Final = ("guest_role", "narrowed_role", "operator_role", "publisher_role")
_ARN: Final = re.compile(
    rf"arn:([\w-]+):sts::(\d{{12}}):assumed-role/([\w+=,.@-]*?)(?:{'|'.join(_ROLE_NAMES.values())})/"
)
_NOBODY: Final = "{}:00000000-0000-4000-8000-00000000000{}"
_NOBODYS_KEYS: Final = Keys("AKIADOCTOROFBELLWIRE", "0" * 40)


@dataclass(frozen=True, slots=True)
class Given:
    """What the caller brings.

    Attributes:
        key: of `bellwire dev`, which hands out its roles' keys for it.
        tokens: login tokens of members, by the names of `MEMBERS`.
        profiles: names of AWS profiles, by the names of `ROLES`.
    """

    key: str | None = field(default=None, repr=False)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    profiles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Config:
    region: str
    stage: str
    pool_id: str
    has_guests: bool
    has_logins: bool
    endpoints: Endpoints
    is_on_aws: bool


def gather(url: str, given: Given, threads: int) -> Scene:
    """Ask a service where everything is, and have everybody come who can.

    Raises:
        BellwireError: the service cannot be reached, or is none of ours.
    """
    calls = HttpCalls(url)
    config = _read_config(url, calls)
    asking = Asking(config.region, threads)
    actors = _cast(url, calls, given, config, asking)
    return Scene(
        config.region,
        config.stage,
        config.endpoints,
        {
            "stage": config.stage,
            "pool": config.pool_id,
            **_identities(config.region, actors),
            **_role_arns(asking, config.endpoints, actors),
        },
        actors,
        frozenset(name for name, who in NAMED.items() if actors[who].identity_id is None),
        config.has_guests,
        SETTLE_S if config.is_on_aws else 0.0,
    )


def _cast(
    url: str, calls: HttpCalls, given: Given, config: _Config, asking: Asking
) -> dict[Who, Actor]:
    guest = Actor(missing="guests are switched off here")
    if config.has_guests:
        guest = _or_broken(partial(_open, calls, None))
    members = dict.fromkeys(MEMBERS.values(), Actor(missing="nobody can log in here"))
    if config.has_logins:
        members = {who: _or_broken(partial(_log_in, calls, given, n)) for n, who in MEMBERS.items()}
    roles = _find_roles(url, calls, given)
    alice, carol, operator = members[Who.ALICE], members[Who.CAROL], roles[Who.OPERATOR]
    return {
        Who.GUEST: guest,
        Who.ANONYMOUS: Actor(),
        **members,
        Who.NARROWED: _or_broken(partial(_narrow, calls, alice)),
        Who.CAROL: _or_broken(partial(_kick, asking, config.endpoints, carol, operator)),
        Who.STRANGER: _stranger(config.region),
        Who.FORGER: _forger(guest, alice),
        **roles,
    }


def _read_config(url: str, calls: HttpCalls) -> _Config:
    match decode_json(calls.get("/v1/config")):
        case {
            "stage": str(stage),
            "region": str(region),
            "iot_url": str(iot_url),
            "identity_pool_id": str(pool_id),
            "cognito_url": str() | None as aws_url,
            "guests": bool(has_guests),
            "features": {"logins": bool(has_logins)},
        }:
            at = _endpoints(url, iot_url, region, aws_url)
            return _Config(region, stage, pool_id, has_guests, has_logins, at, aws_url is None)
        case other:
            raise Malformed(f"expected the config of a service, found {str(other)[:80]!r}")


def _endpoints(url: str, iot_url: str, region: str, aws_url: str | None) -> Endpoints:
    """All of AWS is at one address in one process; the data plane is where MQTT is on AWS."""
    if aws_url is not None:
        return Endpoints(url, iot_url, aws_url, aws_url, aws_url, aws_url)
    data_plane = f"https://{urlsplit(iot_url).hostname}"
    others = (endpoint_of(service, region) for service in ("iot", "cognito-identity", "sts"))
    return Endpoints(url, iot_url, data_plane, *others)


def _or_broken(come: Callable[[], Actor]) -> Actor:
    """Have somebody come; of whoever should and cannot, all rows have failed."""
    try:
        return come()
    except BellwireError as error:
        return Actor(missing=error.message, is_broken=True)


def _log_in(calls: HttpCalls, given: Given, name: str) -> Actor:
    group = GROUPS[MEMBERS[name]]
    login = given.tokens.get(name) or dev_login(calls, f"doctor.{name}", (group,))
    if login is None:
        return Actor(missing=f"no login token was given for {name}")
    actor = _open(calls, login)
    if actor.groups != (group,):
        found = ", ".join(actor.groups) or "none"
        raise NotAllowed(f"{name} is of the groups {found}; the table expects {group} alone")
    return actor


def _open(calls: HttpCalls, login: str | None, **more: Json) -> Actor:
    """Open a session with credentials: a guest's without a login."""
    headers = {} if login is None else {"authorization": f"Bearer {login}"}
    body = encode_json({"credentials": True, **more})
    match decode_json(calls.post("/v1/session", body, headers)):
        case {
            "identity_id": str(identity_id),
            "token": str() | None as bearer,
            "groups": list(groups),
            "credentials": {
                "access_key_id": str(key_id),
                "secret_access_key": str(secret),
                "session_token": str(session_token),
            },
        }:
            keys = Keys(key_id, secret, session_token)
            return Actor(identity_id, keys, bearer, login, tuple(map(str, groups)))
        case _:
            raise Malformed("expected a session with credentials, found something else")


def _narrow(calls: HttpCalls, alice: Actor) -> Actor:
    """Open Alice's narrowed session; its own token is what it would open further ones with."""
    if alice.login is None:
        return alice
    narrowed = _open(calls, alice.login, mode="sts", channels=list(NARROWED_CHANNELS))
    return replace(narrowed, login=narrowed.bearer)


def _kick(asking: Asking, endpoints: Endpoints, carol: Actor, operator: Actor) -> Actor:
    if carol.identity_id is None:
        return carol
    if operator.keys is None:
        return Actor(missing="nobody can be kicked without an operator")
    verdict = asking.judge(kick_request(endpoints, carol.identity_id), operator.keys)
    if not verdict.is_allowed:
        raise NotAllowed(f"the operator could not kick her: {verdict.said}")
    return carol


def _stranger(region: str) -> Actor:
    token = token_of_another_pool(region, int(time.time()))
    return Actor(None, _NOBODYS_KEYS, token, token)


def _forger(guest: Actor, alice: Actor) -> Actor:
    keys = guest.keys or alice.keys
    return Actor(
        None,
        keys and replace(keys, secret_access_key="0" * 40),
        alice.bearer and forge(alice.bearer),
        alice.login and forge(alice.login),
        missing="there is nothing to forge",
    )


def _find_roles(url: str, calls: HttpCalls, given: Given) -> dict[Who, Actor]:
    left = _left_keys(url, calls, given)
    return {who: _find_role(name, who, given, left) for name, who in ROLES.items()}


def _find_role(name: str, who: Who, given: Given, left: Mapping[str, Keys]) -> Actor:
    profile = given.profiles.get(name)
    if profile is not None:
        return _or_broken(lambda: Actor(None, keys_of_profile(profile)))
    keys = left.get(_ROLE_NAMES[who])
    return Actor(None, keys, missing=f"no AWS profile was given for {name}")


def _left_keys(url: str, calls: HttpCalls, given: Given) -> dict[str, Keys]:
    """Ask `bellwire dev` for the keys of its roles.

    Raises:
        Unauthenticated: it does not know our key.
    """
    if given.key is None or urlsplit(url).hostname not in LOOPBACK:
        return {}
    headers = {"authorization": f"Bearer {given.key}"}
    try:
        found = decode_json(calls.get("/dev/credentials", headers=headers))
    except Unauthenticated:
        raise
    except BellwireError:
        return {}  # it is no `bellwire dev`
    held = found if isinstance(found, dict) else {}
    return {name: _read_keys(keys) for name, keys in held.items()}


def _read_keys(wire: Json) -> Keys:
    match wire:
        case {
            "access_key_id": str(key_id),
            "secret_access_key": str(secret),
            "session_token": str() | None as token,
        }:
            return Keys(key_id, secret, token)
        case _:
            raise Malformed("expected the keys of a role, found something else")


def _identities(region: str, actors: Mapping[Who, Actor]) -> dict[str, str]:
    """Name whom the targets name; for those who are not there, somebody who never was."""
    return {
        name: actors[who].identity_id or _NOBODY.format(region, place)
        for place, (name, who) in enumerate(NAMED.items())
    }


def _role_arns(asking: Asking, endpoints: Endpoints, actors: Mapping[Who, Actor]) -> dict[str, str]:
    """Find the ARNs of the deployment's roles by that of one whose keys are there."""
    for who in _ROLE_NAMES:
        keys = actors[who].keys
        if keys is None:
            continue
        try:
            answer = asking.send(who_am_i(endpoints), keys)
        except HTTPError:
            continue
        found = _ARN.search(answer.body.decode(errors="replace"))
        if found is not None:
            partition, account, prefix = found.groups()
            arn = f"arn:{partition}:iam::{account}:role/{prefix}"
            return {name: arn + name for name in _TARGET_ROLES}
    return {}
