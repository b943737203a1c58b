"""Presence: events taken in, whoever was revoked sent away, silence asked about, people told of.

The store is the real one on SQLite; people and connections are the test's.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from backend.lifetimes import BEGIN_MS, CLIENT, IDENTITY
from backend.presence_doubles import Contended, KnownConnections, KnownPeople, World, an_event
from bellwire.errors import Upstream
from bellwire.identity_ports import LiveConnection, Person
from bellwire.presence import (
    Healed,
    has_been_revoked,
    present_on,
)
from bellwire.present_json import PresentPerson

OTHER = "us-east-1:00000000-3f2d-4c1b-9a8e-0123456789ab"
ROOM = "group/red/room"
ALICE = Person(IDENTITY, "alice", ("red",))


def live(client_id: str = CLIENT, *filters: str, since_s: float = 0) -> LiveConnection:
    return LiveConnection(client_id, BEGIN_MS + int(since_s * 1000), filters)


def test_people_are_on_a_channel_once_with_all_of_their_connections(world: World) -> None:
    world.directory.save(ALICE)
    second = f"{IDENTITY}-tab2"
    world.tell(
        an_event("connected", "b", 9, client_id=second),
        an_event("subscribed", "b", 9, ROOM, client_id=second),
        an_event("subscribed", "a", 3, ROOM, "public/a"),
        an_event("connected", "a", 2),
        an_event("connected", "c", 1, client_id=OTHER),
        an_event("subscribed", "c", 5, ROOM, client_id=OTHER),
    )
    guest = PresentPerson(OTHER, None, 1, BEGIN_MS + 1_000)
    assert world.on(ROOM) == [guest, PresentPerson(IDENTITY, "alice", 2, BEGIN_MS + 2_000)]
    world.tell(an_event("disconnected", "a", 20))
    assert world.on(ROOM) == [guest, PresentPerson(IDENTITY, "alice", 1, BEGIN_MS + 9_000)]
    assert world.on("public/a") == []


def test_of_the_same_moment_the_lower_identity_comes_first(world: World) -> None:
    for client_id in (CLIENT, OTHER):
        world.tell(an_event("connected", client_id=client_id))
        world.tell(an_event("subscribed", "a", 1, ROOM, client_id=client_id))
    assert [one.identity_id for one in world.on(ROOM)] == [OTHER, IDENTITY]


def test_people_may_be_looked_up_side_by_side(world: World) -> None:
    asked: list[Sequence[str]] = []

    def look_up(function: Any, identity_ids: Sequence[str]) -> Any:
        asked.append(identity_ids)
        return map(function, identity_ids)

    world.tell(an_event("subscribed", "a", 1, ROOM))
    present_on(ROOM, store=world.store, directory=world.directory, look_up=look_up)
    assert asked == [[IDENTITY]]


@pytest.mark.parametrize(
    ("is_revoked", "session_name", "is_to_end"),
    [
        (False, "CognitoIdentityCredentials", False),
        (True, "CognitoIdentityCredentials", True),
        (False, "bellwire-999", True),
        (False, "bellwire-1000", False),
        (False, "bellwire-1001", False),
        (True, "bellwire-1001", True),
        (False, "bellwire-", False),
        (False, "bellwire-99x", False),
        (False, "x-bellwire-999", False),
        (False, "bellwire-" + "9" * 13, False),
        (False, "", False),
    ],
)
def test_who_may_not_stay(is_revoked: bool, session_name: str, is_to_end: bool) -> None:  # noqa: FBT001 - a table
    person = replace(ALICE, is_revoked=is_revoked, revoked_before_s=1_000)
    assert has_been_revoked(person, f"AROAEXAMPLE:{session_name}") is is_to_end


def test_whoever_was_revoked_is_sent_away_again_at_each_telling(world: World) -> None:
    world.tell(an_event("connected"), an_event("subscribed", "a", 1, ROOM))
    assert world.connections.ended == []
    world.directory.save(replace(ALICE, is_revoked=True))
    world.tell(an_event("connected"), an_event("subscribed", "a", 2, ROOM))
    assert world.connections.ended == [CLIENT]
    world.tell(an_event("connected"))
    assert world.connections.ended == [CLIENT, CLIENT]


def test_a_late_telling_of_an_older_connection_ends_no_newer_one(world: World) -> None:
    stale = "AROAEXAMPLE:bellwire-999"
    world.directory.save(replace(ALICE, revoked_before_s=1_000))
    world.tell(
        an_event("connected", "b", 60, version=1, principal="AROAEXAMPLE:bellwire-1001"),
        an_event("connected", "a", 0, version=0, principal=stale),
    )
    assert world.connections.ended == []
    world.tell(an_event("connected", "c", 90, version=2, principal=stale))
    assert world.connections.ended == [CLIENT]


def test_the_client_is_on_record_before_the_directory_is_asked(world: World) -> None:
    """Or whoever revokes at that moment would neither find it nor be seen."""

    class Revoking(KnownPeople):
        def find(self, identity_id: str) -> Person | None:
            assert world.store.client_ids_of(identity_id) == [CLIENT]
            return super().find(identity_id)

    world.directory = Revoking()
    world.tell(an_event("connected"))


def test_what_fails_after_it_was_noted_is_made_up_for_by_the_next_try(world: World) -> None:
    world.directory.save(replace(ALICE, is_revoked=True))
    world.connections.is_down = True
    with pytest.raises(Upstream):
        world.tell(an_event("connected"))
    world.connections.is_down, world.directory.is_down = False, True
    with pytest.raises(Upstream):
        world.tell(an_event("connected"))
    world.directory.is_down = False
    world.tell(an_event("connected"))
    assert world.connections.ended == [CLIENT]


def test_a_client_that_keeps_changing_is_tried_ten_times(world: World) -> None:
    contended: Any = Contended(world.store, 9)
    World(contended).tell(an_event("subscribed", "a", 1, ROOM))
    assert len(world.on(ROOM)) == 1
    contended = Contended(world.store, 10)
    with pytest.raises(Upstream, match="kept changing over 10 attempts"):
        World(contended).tell(an_event("subscribed", "a", 2, "public/a"))


def test_a_lost_end_heals_after_a_minute(world: World) -> None:
    world.tell(an_event("connected"), an_event("subscribed", "a", 1, ROOM))
    world.after_s = 60
    assert world.heal() == Healed(asked=0, corrected=0)
    assert len(world.on(ROOM)) == 1
    world.after_s = 60.001
    assert world.heal() == Healed(asked=1, corrected=1)
    assert world.on(ROOM) == []
    world.after_s = 600
    assert world.heal() == Healed(asked=0, corrected=0)


def test_lost_subscriptions_heal_and_whoever_is_there_is_asked_about_every_minute(
    world: World,
) -> None:
    world.tell(an_event("connected"))
    world.connections.live[CLIENT] = live(CLIENT, "dev/public/a", "dev/public/#", "prod/public/b")
    world.after_s = 61
    assert world.heal() == Healed(asked=1, corrected=1)
    assert world.on("public/a") == [PresentPerson(IDENTITY, None, 1, BEGIN_MS)]
    assert world.on("public/b") == []
    world.after_s = 121
    assert world.heal() == Healed(asked=0, corrected=0)
    world.after_s = 122
    assert world.heal() == Healed(asked=1, corrected=0)


def test_a_connection_that_nobody_told_of_is_found_under_its_predecessors_name(
    world: World,
) -> None:
    world.tell(an_event("connected"), an_event("subscribed", "a", 1, ROOM))
    world.connections.live[CLIENT] = live(CLIENT, "dev/public/a", since_s=30)
    world.after_s = 61
    assert world.heal() == Healed(asked=1, corrected=1)
    assert world.on("public/a") == [PresentPerson(IDENTITY, None, 1, BEGIN_MS + 30_000)]
    world.tell(an_event("disconnected", "a", 29))
    assert len(world.on("public/a")) == 1


def test_a_call_asks_about_so_many_the_longest_silent_first(world: World) -> None:
    for n in range(5):
        world.after_s = n
        client_id = f"{IDENTITY}-{n}"
        world.tell(an_event("connected", "a", n, client_id=client_id))
        world.connections.live[client_id] = live(client_id, since_s=n)
    world.after_s = 100
    assert world.heal(limit=3) == Healed(asked=3, corrected=0)
    assert world.heal(limit=3) == Healed(asked=2, corrected=0)
    world.after_s = 110
    assert world.heal(unconfirmed_ms=9_999).asked == 5


def test_an_event_that_comes_while_the_broker_is_asked_wins(world: World) -> None:
    class Telling(KnownConnections):
        def find(self, client_id: str) -> LiveConnection | None:
            world.tell(an_event("subscribed", "a", 61, ROOM))
            return super().find(client_id)

    world.tell(an_event("connected"))
    world.connections = Telling()
    world.after_s = 61
    assert world.heal() == Healed(asked=1, corrected=0)
    assert len(world.on(ROOM)) == 1


def test_a_broker_that_does_not_answer_changes_nothing(world: World) -> None:
    world.tell(an_event("connected"), an_event("subscribed", "a", 1, ROOM))
    world.connections.is_down = True
    world.after_s = 61
    with pytest.raises(Upstream):
        world.heal()
    assert len(world.on(ROOM)) == 1
