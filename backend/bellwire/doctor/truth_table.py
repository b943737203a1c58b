"""The truth table: who may do what, row by row, as it is meant to be. Pure.

The expected answers come from `INTENT`, which says in one place what each may do; no policy
document is asked here, so that the documents, and whoever enforces them, can be held against it.

Targets are written with placeholders, `{stage}/user/{bob}/doctor`: an actor's name stands for its
identity, `{fresh}` for characters that nothing else has, a role's for its ARN.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Who(StrEnum):
    """Who tries something. Two members, so that each has somebody else's things to try."""

    GUEST = "guest"
    """Somebody with a guest's AWS credentials."""
    ANONYMOUS = "anonymous"
    """Somebody with nothing at all."""
    ALICE = "alice"
    """A member of the group red."""
    BOB = "bob"
    """A member of the group blue."""
    NARROWED = "alice, narrowed"
    """Alice in a session for `NARROWED_CHANNELS`."""
    CAROL = "carol, kicked"
    """A member of the group red whose access was ended; she has kept all that she was given."""
    STRANGER = "stranger"
    """Somebody with keys that are nobody's, and with another pool's token."""
    FORGER = "forger"
    """Somebody with a guest's keys but for the secret, and with Alice's tokens but for the
    signature."""
    JOB = "job"
    OPERATOR = "operator"
    SESSION = "session"
    """The function behind `POST /v1/session`."""
    CONNECTIONS = "connections"
    """The function that looks after connections."""


class Action(StrEnum):
    """What is tried."""

    CONNECT = "MQTT CONNECT as"
    SUBSCRIBE = "MQTT SUBSCRIBE to"
    RECEIVE = "MQTT receive from"
    PUBLISH = "MQTT PUBLISH to"
    RETAIN = "MQTT PUBLISH retained to"
    HTTPS_PUBLISH = "Publish to"
    HTTPS_RETAIN = "Publish retained to"
    GET_RETAINED = "GetRetainedMessage of"
    LIST_RETAINED = "ListRetainedMessages of"
    GET_CONNECTION = "GetConnection of"
    LIST_SUBSCRIPTIONS = "ListSubscriptions of"
    END_CONNECTION = "DeleteConnection of"
    CREATE_POLICY = "CreatePolicy named"
    CHANGE_POLICY = "CreatePolicyVersion of"
    ATTACH = "AttachPolicy to"
    DETACH = "DetachPolicy from"
    VOUCH = "GetOpenIdTokenForDeveloperIdentity of"
    TAKE_CREDENTIALS = "GetCredentialsForIdentity of"
    ASSUME = "AssumeRole"
    ASSUME_BY_TOKEN = "AssumeRoleWithWebIdentity"  # noqa: S105 - the name of an operation
    POLL = "GET /v1/updates?channels="
    POLL_CURSOR = "GET /v1/updates?cursor= at"
    SIGNED_POLL = "GET /v1/signed/updates?channels="
    SIGNED_POLL_CURSOR = "GET /v1/signed/updates?cursor= at"
    JOIN = "POST /v1/session in mode"
    JOIN_NARROWED = "POST /v1/session in mode sts for"
    SIGNED_POST = "signed POST"
    """To `/v1/publish CHANNEL`, `/v1/users` or `/v1/kick`."""
    BEARER_POST = "POST by bearer token"


@dataclass(frozen=True, slots=True)
class Row:
    """One question and the answer that is expected of it."""

    who: Who
    action: Action
    target: str
    is_allowed: bool

    @property
    def name(self) -> str:
        """What the row is called, e.g. `alice: MQTT SUBSCRIBE to {stage}/public/+`."""
        return f"{self.who}: {self.action} {self.target}"


Rights = Mapping[Action, tuple[str, ...]]
"""By action, the targets; a `*` at the end stands for whatever follows."""

NARROWED_CHANNELS: Final = ("public/doctor", "user/me/doctor", "group/red/doctor")

_POLLS: Final = (Action.POLL, Action.POLL_CURSOR)
_SIGNED_POLLS: Final = (Action.SIGNED_POLL, Action.SIGNED_POLL_CURSOR)


def _connects(client_id: str) -> Rights:
    """As oneself, or as that and a suffix behind a hyphen: one connection for each tab."""
    return {Action.CONNECT: (client_id, f"{client_id}-*")}


def _hears(*channels: str) -> Rights:
    topics = tuple(f"{{stage}}/{channel}" for channel in channels)
    return {Action.SUBSCRIBE: topics, Action.RECEIVE: topics}


def _polls(*channels: str, by: tuple[Action, ...] = _POLLS) -> Rights:
    return dict.fromkeys(by, channels)


def _member(name: str, group: str) -> Rights:
    mine = ("public/*", f"user/{{{name}}}/*", f"group/{group}/*")
    return {
        **_connects(f"{{{name}}}"),
        **_hears(*mine),
        **_polls(*mine, "user/me/*", by=(*_POLLS, *_SIGNED_POLLS, Action.JOIN_NARROWED)),
        Action.JOIN: ("cognito",),
        Action.TAKE_CREDENTIALS: (f"{{{name}}}",),
    }


INTENT: Final[Mapping[Who, Rights]] = {
    Who.GUEST: {**_connects("{guest}"), **_hears("public/*")},
    Who.ANONYMOUS: {
        **_polls("public/*"),
        Action.JOIN: ("cognito",),
        Action.TAKE_CREDENTIALS: ("{guest}",),
    },
    Who.ALICE: _member("alice", "red"),
    Who.BOB: _member("bob", "blue"),
    Who.NARROWED: {
        **_connects("{alice}"),
        **_hears("public/doctor", "user/{alice}/doctor", "group/red/doctor"),
        **_polls(*NARROWED_CHANNELS, "user/{alice}/doctor"),
    },
    Who.CAROL: {},
    Who.STRANGER: {},
    Who.FORGER: {},
    Who.JOB: {
        Action.CONNECT: ("job-*",),
        Action.PUBLISH: ("{stage}/*",),
        Action.HTTPS_PUBLISH: ("{stage}/*",),
        Action.SIGNED_POST: ("/v1/publish *", "/v1/users"),
    },
    Who.OPERATOR: {
        Action.HTTPS_PUBLISH: ("{stage}/*",),
        Action.HTTPS_RETAIN: ("{stage}/*",),
        Action.GET_RETAINED: ("{stage}/*",),
        Action.LIST_RETAINED: ("*",),
        Action.GET_CONNECTION: ("*",),
        Action.LIST_SUBSCRIPTIONS: ("*",),
        Action.END_CONNECTION: ("*",),
        Action.SIGNED_POST: ("/v1/kick",),
    },
    Who.SESSION: {
        Action.VOUCH: ("{pool}",),
        Action.CREATE_POLICY: ("bellwire.{stage}.*",),
        Action.ATTACH: ("*",),
        Action.DETACH: ("*",),
        Action.ASSUME: ("{narrowed_role}",),
    },
    Who.CONNECTIONS: {
        Action.GET_CONNECTION: ("{alice}*",),
        Action.LIST_SUBSCRIPTIONS: ("{alice}*",),
        Action.END_CONNECTION: ("{alice}*",),
        Action.DETACH: ("*",),
    },
}
"""Who may do what (design: access), and nothing else."""

WITHOUT_KEYS: Final = (Who.ANONYMOUS, Who.STRANGER, Who.FORGER)
"""Those whose signature does not hold, or who make none."""

_HOLD_KEYS: Final = tuple(who for who in Who if who is not Who.ANONYMOUS)
_ARE_LET_IN: Final = (Who.GUEST, Who.ALICE, Who.BOB, Who.NARROWED, Who.JOB)
_HEAR: Final = (Who.GUEST, Who.ALICE, Who.BOB, Who.NARROWED)
_HOLD_TOKENS: Final = (
    Who.ALICE,
    Who.BOB,
    Who.NARROWED,
    Who.CAROL,
    Who.STRANGER,
    Who.FORGER,
)
_POLL: Final = (Who.ANONYMOUS, *_HOLD_TOKENS)

OWN_ID: Final[Mapping[Who, str]] = {
    Who.GUEST: "{guest}",
    Who.ALICE: "{alice}",
    Who.BOB: "{bob}",
    Who.NARROWED: "{alice}",
    Who.CAROL: "{carol}",
    Who.JOB: "job",
}
"""What an actor's client ids begin with."""
_CLIENT_IDS: Final = (
    "{guest}",
    "{guest}-{fresh}",
    "{alice}",
    "{alice}-{fresh}",
    "{bob}",
    "{bob}-{fresh}",
    "job-{fresh}",
    "doctor-{fresh}",
)
_HIDING: Final = "#+/"
"""With one of these in its client id a connection raises no lifecycle events."""

_CHANNELS: Final = (
    "public/doctor",
    "public/doctor/more",
    "user/{alice}/doctor",
    "user/{alice}/doctor/more",
    "user/{bob}/doctor",
    "group/red/doctor",
    "group/red/doctor/more",
    "group/reddish/doctor",
    "group/blue/doctor",
)
_POLLED: Final = ("user/me/doctor", *_CHANNELS)
_POLLED_BY_SIGNATURE: Final = ("user/me/doctor", *_CHANNELS[::2])
_PUBLISHED: Final = ("public/doctor", "user/{alice}/doctor", "group/red/doctor")
_TOPICS: Final = tuple(f"{{stage}}/{channel}" for channel in _CHANNELS)
_TOPICS_OUTSIDE: Final = ("{stage}x/public/doctor", "elsewhere/public/doctor")
_LIFECYCLE: Final = "$aws/events/presence/connected/{alice}"
_FILTERS: Final = (
    *_TOPICS,
    "{stage}/public/+",
    "{stage}/public/#",
    "{stage}/publicity/doctor",
    "{stage}/user/{alice}/#",
    "{stage}/user/{alice}x/doctor",
    "{stage}/user/+/doctor",
    "{stage}/user/#",
    "{stage}/group/red/+",
    "{stage}/group/+/doctor",
    "{stage}/group/#",
    "{stage}/#",
    "{stage}/+/doctor",
    "+/public/doctor",
    "#",
    *_TOPICS_OUTSIDE,
    "$share/doctor/{stage}/public/doctor",
    "$aws/events/#",
    _LIFECYCLE,
)
_CONNECTIONS: Final = ("{alice}-{fresh}", "job-{fresh}")
_POLICY_NAMES: Final = ("bellwire.{stage}.doctor-{fresh}", "doctor-{fresh}")
_ROLES: Final = ("{narrowed_role}", "{publisher_role}", "{operator_role}")
_POSTS: Final = (*(f"/v1/publish {channel}" for channel in _PUBLISHED), "/v1/users", "/v1/kick")

_ASKED: Final[tuple[tuple[Action, tuple[Who, ...], tuple[str, ...]], ...]] = (
    (Action.CONNECT, _HOLD_KEYS, _CLIENT_IDS),
    (Action.CONNECT, (Who.ANONYMOUS,), _CLIENT_IDS[-1:]),
    (Action.SUBSCRIBE, _ARE_LET_IN, _FILTERS),
    (Action.RECEIVE, _HEAR, (*_TOPICS, "{stage}/publicity/doctor")),
    (Action.PUBLISH, _ARE_LET_IN, (*_TOPICS[::2], *_TOPICS_OUTSIDE, _LIFECYCLE)),
    (Action.RETAIN, _ARE_LET_IN, (_TOPICS[0], _TOPICS[2])),
    (Action.HTTPS_PUBLISH, _HOLD_KEYS, (_TOPICS[0], _TOPICS[2], *_TOPICS_OUTSIDE)),
    (Action.HTTPS_PUBLISH, (Who.ANONYMOUS,), _TOPICS[:1]),
    (Action.HTTPS_RETAIN, _HOLD_KEYS, (_TOPICS[0], _TOPICS_OUTSIDE[0])),
    (Action.GET_RETAINED, _HOLD_KEYS, (_TOPICS[0], _TOPICS_OUTSIDE[0])),
    (Action.LIST_RETAINED, _HOLD_KEYS, ("the account",)),
    (Action.GET_CONNECTION, _HOLD_KEYS, _CONNECTIONS),
    (Action.LIST_SUBSCRIPTIONS, _HOLD_KEYS, _CONNECTIONS),
    (Action.END_CONNECTION, _HOLD_KEYS, _CONNECTIONS),
    (Action.CREATE_POLICY, _HOLD_KEYS, _POLICY_NAMES),
    (Action.CHANGE_POLICY, _HOLD_KEYS, (_POLICY_NAMES[0],)),
    (Action.ATTACH, _HOLD_KEYS, ("{bob}",)),
    (Action.DETACH, _HOLD_KEYS, ("{bob}",)),
    (Action.VOUCH, _HOLD_KEYS, ("{pool}",)),
    (Action.TAKE_CREDENTIALS, (Who.ANONYMOUS,), ("{guest}",)),
    (
        Action.TAKE_CREDENTIALS,
        (Who.ANONYMOUS, Who.ALICE, Who.BOB, Who.NARROWED, Who.STRANGER, Who.FORGER),
        ("{alice}", "{bob}"),
    ),
    (Action.ASSUME, _HOLD_KEYS, _ROLES),
    (
        Action.ASSUME_BY_TOKEN,
        (Who.ALICE, Who.NARROWED, Who.STRANGER, Who.FORGER),
        ("{guest_role}", *_ROLES),
    ),
    (Action.POLL, _POLL, _POLLED),
    (Action.POLL_CURSOR, _POLL, _POLLED),
    (Action.SIGNED_POLL, tuple(Who), _POLLED_BY_SIGNATURE),
    (Action.SIGNED_POLL_CURSOR, tuple(Who), _POLLED_BY_SIGNATURE),
    (Action.JOIN, _POLL, ("cognito",)),
    (Action.JOIN_NARROWED, (Who.ALICE, Who.BOB), _POLLED),
    (
        Action.JOIN_NARROWED,
        (Who.NARROWED, Who.CAROL, Who.STRANGER, Who.FORGER),
        _POLLED[:2],
    ),
    (Action.SIGNED_POST, tuple(Who), _POSTS),
    (Action.BEARER_POST, _HOLD_TOKENS, _POSTS),
)


def truth_table(*, has_guests: bool = True) -> tuple[Row, ...]:
    """Write all rows, in an order and by names that stay.

    Args:
        has_guests: whether the deployment lets guests in; else they may do nothing.
    """
    guests = () if has_guests else (Who.GUEST, Who.ANONYMOUS)
    return tuple(
        Row(who, action, target, who not in guests and is_intended(who, action, target))
        for who, action, target in _questions()
    )


def is_intended(who: Who, action: Action, target: str) -> bool:
    """Tell whether somebody is meant to be able to do something, a target with placeholders."""
    if action is Action.CONNECT and any(character in target for character in _HIDING):
        return False
    return any(_covers(pattern, target) for pattern in INTENT[who].get(action, ()))


def _covers(pattern: str, target: str) -> bool:
    if pattern.endswith("*"):
        return target.startswith(pattern[:-1])
    return target == pattern


def _questions() -> Iterator[tuple[Who, Action, str]]:
    for action, whos, targets in _ASKED:
        for who in whos:
            for target in targets:
                yield who, action, target
            if action is Action.CONNECT and who in OWN_ID:
                yield from ((who, action, client_id) for client_id in _odd_ids(OWN_ID[who]))


def _odd_ids(own: str) -> Iterator[str]:
    """Client ids that begin like one's own."""
    if own not in _CLIENT_IDS and own.startswith("{"):
        yield from (own, f"{own}-{{fresh}}")
    yield from (f"{own}-{character}{{fresh}}" for character in _HIDING)
    yield f"{own}x{{fresh}}"
