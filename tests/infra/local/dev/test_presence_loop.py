"""Presence heals by itself in one process, also after the broker was away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.lifetimes import CLIENT, IDENTITY
from backend.presence_doubles import World, an_event
from bellwire.presence import HEAL_LIMIT
from bellwire.sql.engine import open_sqlite
from bellwire.sql.presence import SqlPresence
from bellwire_local.dev.presence_loop import PresenceLoop


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = open_sqlite(tmp_path / "log.db")
    yield World(SqlPresence(engine))
    engine.dispose()


def loop_of(world: World) -> PresenceLoop:
    return PresenceLoop(world.store, world.connections, "dev", world.now_ms)


def test_a_turn_heals_everybody_and_forgets_after_an_hour(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for n in range(HEAL_LIMIT + 1):
        client_id = f"{IDENTITY}-{n}"
        world.tell(an_event("subscribed", "a", 0, "public/a", client_id=client_id))
    world.after_s = 61
    loop_of(world).turn()
    assert world.on("public/a") == []
    assert len(world.store.client_ids_of(IDENTITY)) == HEAL_LIMIT + 1
    assert caplog.messages == [
        "presence: 100 of 100 were not as told",
        "presence: 1 of 1 were not as told",
    ]
    world.after_s += 3_601
    loop_of(world).turn()
    assert world.store.client_ids_of(IDENTITY) == []


def test_a_broker_that_is_away_is_said_once_and_then_asked_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    loop = loop_of(world)
    world.tell(an_event("connected"), an_event("subscribed", "a", 1, "public/a"))
    world.after_s, world.connections.is_down = 61, True
    loop.turn()
    loop.turn()
    assert caplog.messages == ["presence waits to be healed, will try again: the broker is down"]
    assert len(world.on("public/a")) == 1
    world.connections.is_down = False
    loop.turn()
    assert world.on("public/a") == []
    world.connections.is_down = True
    world.tell(an_event("connected", "b", 61, version=1))
    world.after_s = 200
    loop.turn()
    assert len(caplog.messages) == 2
    assert world.store.client_ids_of(IDENTITY) == [CLIENT]
