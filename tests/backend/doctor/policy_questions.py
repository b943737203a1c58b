"""The rows of the truth table that policies decide, as questions to any evaluator of policies.

Which documents somebody holds, and which action on which resource a row asks for, are said here
once more, apart from whoever enforces them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bellwire.channels import resolve_me
from bellwire.doctor.truth_table import NARROWED_CHANNELS, Action, Row, Who
from bellwire.grants import session_policy
from bellwire.policies import Document, Place, load_policy

REGION, ACCOUNT, STAGE = "us-east-1", "000000000000", "dev"
POOL = f"{REGION}:00000000-0000-4000-8000-0000000000ff"
PLACE = Place(REGION, ACCOUNT, STAGE, POOL)
IDS = {
    name: f"{REGION}:00000000-0000-4000-8000-00000000000{place}"
    for place, name in enumerate(("guest", "alice", "bob", "carol"))
}
NAMES = {
    **IDS,
    "stage": STAGE,
    "pool": POOL,
    "fresh": "0a1b2c3d",
    **{
        f"{role}_role": f"arn:aws:iam::{ACCOUNT}:role/{role}_role"
        for role in ("guest", "narrowed", "operator", "publisher")
    },
}
SUB = "cognito-identity.amazonaws.com:sub"
IOT = f"arn:aws:iot:{REGION}:{ACCOUNT}:"
API = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:local/$default/"

ROLES = {
    Who.GUEST: "guest_role",
    Who.ALICE: "member_role",
    Who.BOB: "member_role",
    Who.NARROWED: "narrowed_role",
    Who.CAROL: "member_role",
    Who.JOB: "publisher_role",
    Who.OPERATOR: "operator_role",
    Who.SESSION: "session_role",
    Who.CONNECTIONS: "connections_role",
}
ATTACHED = {
    Who.ALICE: ("member_identity", "red"),
    Who.BOB: ("member_identity", "blue"),
    Who.CAROL: (),
}
SUBS = {
    Who.GUEST: IDS["guest"],
    Who.ALICE: IDS["alice"],
    Who.BOB: IDS["bob"],
    Who.CAROL: IDS["carol"],
}
INTERSECTED = {"iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"}
"""Source: IoT guide, cog-iot-policies; RetainPublish as Publish."""

ASKED: Mapping[Action, tuple[tuple[str, str], ...]] = {
    Action.CONNECT: (("iot:Connect", f"{IOT}client/{{}}"),),
    Action.SUBSCRIBE: (("iot:Subscribe", f"{IOT}topicfilter/{{}}"),),
    Action.RECEIVE: (("iot:Receive", f"{IOT}topic/{{}}"),),  # of Subscribe there are other rows
    Action.PUBLISH: (("iot:Publish", f"{IOT}topic/{{}}"),),
    Action.RETAIN: (
        ("iot:Publish", f"{IOT}topic/{{}}"),
        ("iot:RetainPublish", f"{IOT}topic/{{}}"),
    ),
    Action.HTTPS_PUBLISH: (("iot:Publish", f"{IOT}topic/{{}}"),),
    Action.HTTPS_RETAIN: (
        ("iot:Publish", f"{IOT}topic/{{}}"),
        ("iot:RetainPublish", f"{IOT}topic/{{}}"),
    ),
    Action.GET_RETAINED: (("iot:GetRetainedMessage", f"{IOT}topic/{{}}"),),
    Action.LIST_RETAINED: (("iot:ListRetainedMessages", "any resource"),),
    Action.GET_CONNECTION: (("iot:GetConnection", f"{IOT}client/{{}}"),),
    Action.LIST_SUBSCRIPTIONS: (("iot:ListSubscriptions", f"{IOT}client/{{}}"),),
    Action.END_CONNECTION: (("iot:DeleteConnection", f"{IOT}client/{{}}"),),
    Action.CREATE_POLICY: (("iot:CreatePolicy", f"{IOT}policy/{{}}"),),
    Action.CHANGE_POLICY: (("iot:CreatePolicyVersion", f"{IOT}policy/{{}}"),),
    Action.ATTACH: (("iot:AttachPolicy", "any resource"),),
    Action.DETACH: (("iot:DetachPolicy", "any resource"),),
    Action.VOUCH: (
        (
            "cognito-identity:GetOpenIdTokenForDeveloperIdentity",
            f"arn:aws:cognito-identity:{REGION}:{ACCOUNT}:identitypool/{{}}",
        ),
    ),
    Action.ASSUME: (("sts:AssumeRole", "{}"),),
}
READS = (Action.POLL, Action.POLL_CURSOR, Action.JOIN_NARROWED)


@dataclass(frozen=True)
class Question:
    """One action on one resource, allowed if each layer allows it."""

    action: str
    resource: str
    layers: tuple[tuple[str, ...], ...]
    sub: str | None


def documents() -> dict[str, dict[str, Any]]:
    """Read every document that the table's actors hold, by a short name each."""
    named = {name: load_policy(name, PLACE) for name in {*ROLES.values(), "member_identity"}}
    groups = {name: load_policy("group_identity", PLACE, group=name) for name in ("red", "blue")}
    channels = [resolve_me(channel, IDS["alice"]) for channel in NARROWED_CHANNELS]
    session: Document = json.loads(session_policy(IDS["alice"], channels, PLACE))
    found = {**named, **groups, "session": session}
    copied: dict[str, dict[str, Any]] = json.loads(json.dumps(found))
    return copied


def questions_of(row: Row) -> tuple[Question, ...]:
    """Return what must all be allowed for a row to be; nothing if no policy decides it."""
    target = row.target.format_map(NAMES)
    if row.action in READS:
        return _reading(row.who, target) if _is_let_read(row) else ()
    if row.action in (Action.SIGNED_POLL, Action.SIGNED_POLL_CURSOR) and row.who in ROLES:
        invoke = _question(row.who, "execute-api:Invoke", f"{API}GET/v1/signed/updates")
        if row.who is Who.CAROL:
            return ()  # the directory says that she was kicked
        return (invoke, *(_reading(row.who, target) if row.who in (Who.ALICE, Who.BOB) else ()))
    if row.action is Action.SIGNED_POST and row.who in ROLES:
        path = target.partition(" ")[0]
        return (_question(row.who, "execute-api:Invoke", f"{API}POST{path}"),)
    if row.who not in ROLES:
        return ()
    return tuple(
        _question(row.who, action, resource.format(target))
        for action, resource in ASKED.get(row.action, ())
    )


def _is_let_read(row: Row) -> bool:
    """Whether somebody comes as far as to be asked about a channel; a token decides the rest."""
    if row.action is Action.JOIN_NARROWED:
        return row.who in (Who.ALICE, Who.BOB)
    return row.who in (Who.ANONYMOUS, Who.ALICE, Who.BOB, Who.NARROWED)


def _question(who: Who, action: str, resource: str) -> Question:
    layers: list[tuple[str, ...]] = [(ROLES[who],)]
    if who is Who.NARROWED:
        layers.append(("session",))
    if who in ATTACHED and action in INTERSECTED:
        layers.append(ATTACHED[who])
    return Question(action, resource, tuple(layers), SUBS.get(who))


def _reading(who: Who, channel: str) -> tuple[Question, ...]:
    """A poll is allowed what a subscription and a delivery would be."""
    owner = Who.ALICE if who is Who.NARROWED else who
    if who is Who.ANONYMOUS:
        owner = Who.GUEST
    topic = f"{STAGE}/{resolve_me(channel, None if who is Who.ANONYMOUS else SUBS[owner])}"
    asked = [
        _question(owner, "iot:Subscribe", f"{IOT}topicfilter/{topic}"),
        _question(owner, "iot:Receive", f"{IOT}topic/{topic}"),
    ]
    narrower: Sequence[tuple[str, ...]] = ()
    if who is Who.NARROWED:
        narrower = (("narrowed_role",), ("session",))
    return tuple(
        Question(one.action, one.resource, (*one.layers, *narrower), one.sub) for one in asked
    )
