"""The handlers of presence: lifecycle events from a rule, and GET /v1/presence."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from backend.lifetimes import BEGIN_MS, CLIENT, IDENTITY
from backend.presence_doubles import Contended, World, an_event
from backend.test_handlers import json_values
from bellwire.channels import resolve_me
from bellwire.errors import NotAllowed, Upstream
from bellwire.handlers.edge import answer
from bellwire.handlers.lifecycle import handle_lifecycle
from bellwire.handlers.presence import answer_presence
from bellwire.identity_ports import Person

ROOM = "group/red/room"
ALICE = Person(IDENTITY, "alice", ("red",))


PAYLOAD = {
    "clientId": CLIENT,
    "timestamp": BEGIN_MS,
    "eventType": "subscribed",
    "sessionIdentifier": "a",
    "principalIdentifier": "AROAEXAMPLE:CognitoIdentityCredentials",
    "topics": [f"dev/{ROOM}"],
}


def handle(world: World, payload: object) -> None:
    handle_lifecycle(
        payload,
        store=world.store,
        directory=world.directory,
        connections=world.connections,
        stage="dev",
        now_ms=world.now_ms,
    )


def test_an_event_is_taken_as_a_rule_hands_it_over(world: World) -> None:
    handle(world, PAYLOAD)
    assert len(world.on(ROOM)) == 1
    handle(world, {**PAYLOAD, "clientId": "job-1"})
    handle(world, {**PAYLOAD, "eventType": "connect_failed"})
    assert len(world.on(ROOM)) == 1


def test_an_event_that_can_never_be_read_is_logged_in_one_line(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    handle(world, {**PAYLOAD, "timestamp": "now\nor never"})
    handle(world, [])
    assert len(caplog.messages) == 2
    assert [line for line in caplog.messages if "\n" in line] == []
    assert caplog.messages[0].endswith(r"found 'now\nor never'")


@given(payload=json_values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_rule_hands_over_that_is_no_event_changes_nothing(
    world: World, payload: object
) -> None:
    handle(world, payload)
    assert world.on(ROOM) == []


def test_a_store_that_fails_has_the_event_told_again(world: World) -> None:
    contended: Any = Contended(world.store, 99)
    with pytest.raises(Upstream):
        handle(World(contended), PAYLOAD)


def ask(
    world: World, query: str, *, identity_id: str | None = IDENTITY, namespaces: str = "group user"
) -> tuple[int, Any, dict[str, str]]:
    """Ask as somebody who may read their own channels and those of the group red."""
    readable = (f"user/{identity_id}/", "group/red/")

    def call(asked: Any, _deployment: Any) -> Any:
        return answer_presence(
            asked,
            store=world.store,
            directory=world.directory,
            may_read=lambda channel: channel.startswith(readable),
            resolve=lambda name: resolve_me(name, identity_id),
            namespaces=frozenset(namespaces.split()),
        )

    deployment: Any = None
    found = answer(call, {"rawPath": "/v1/presence", "rawQueryString": query}, deployment)
    return found["statusCode"], json.loads(found["body"]), found["headers"]


def test_presence_is_answered(world: World) -> None:
    world.directory.save(ALICE)
    world.tell(
        an_event("connected"), an_event("subscribed", "a", 1, ROOM, f"user/{IDENTITY}/inbox")
    )
    status, content, headers = ask(world, f"channel={ROOM}")
    assert (status, headers["cache-control"]) == (200, "private, no-store")
    alice = {"identity_id": IDENTITY, "user": "alice", "connections": 1, "since": BEGIN_MS}
    assert content == {"v": 1, "channel": ROOM, "present": [alice]}
    assert ask(world, "channel=user/me/inbox")[1] == {
        "v": 1,
        "channel": "user/me/inbox",
        "present": [alice],
    }
    assert ask(world, "channel=group/red/other")[1]["present"] == []


@pytest.mark.parametrize(
    ("query", "status", "code", "channel"),
    [
        ("", 400, "malformed", None),
        ("channel=group/red/room&x=1", 400, "malformed", None),
        ("channels=group/red/room", 400, "malformed", None),
        ("channel=group/red/room&channel=group/red/room", 400, "malformed", None),
        ("channel=group/red/%23", 400, "bad_channel", None),
        ("channel=", 400, "bad_channel", None),
        ("channel=group/blue/room", 403, "not_allowed", "group/blue/room"),
        ("channel=public/a", 403, "not_allowed", "public/a"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    world: World, query: str, status: int, code: str, channel: str | None
) -> None:
    found, content, headers = ask(world, query)
    assert (found, content["error"]["code"]) == (status, code)
    assert content["error"].get("channel") == channel
    assert headers["cache-control"] == "no-store"


def test_where_presence_is_switched_off_the_namespace_is_named(world: World) -> None:
    status, content, _ = ask(world, f"channel={ROOM}", namespaces="user public")
    assert (status, content["error"]["message"]) == (403, "presence is switched off in group/")


def test_a_caller_without_an_identity_has_no_channels_of_their_own(world: World) -> None:
    assert ask(world, "channel=user/me/inbox", identity_id=None)[0] == 403


def test_a_refusal_is_an_error_of_ours(world: World) -> None:
    with pytest.raises(NotAllowed, match="you may not read public/a"):
        answer_presence(
            {"rawQueryString": "channel=public/a"},
            store=world.store,
            directory=world.directory,
            may_read=lambda _: False,
            resolve=lambda name: name,
            namespaces=frozenset({"public"}),
        )
