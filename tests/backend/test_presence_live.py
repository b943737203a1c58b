"""Presence of real clients: the stand-in's rule calls the handler, boto3 asks and ends."""

import json
import queue
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backend.presence_doubles import KnownPeople
from bellwire.aws.iot_connections import IotConnections
from bellwire.channels import channel_of
from bellwire.handlers.lifecycle import handle_lifecycle
from bellwire.identity_ports import Person
from bellwire.presence import Healed, heal, present_on
from bellwire.present_json import PresentPerson
from bellwire.sql.presence import SqlPresence
from bellwire_local.faults import read_faults
from bellwire_local.iot.limits import OFF
from bellwire_local.iot.messages import Message
from bellwire_local.iot.rules import TopicRule
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import running_in_thread
from infra.local.conftest import DEADLINE_S, Aws, Clock, account_of, render

CHANNEL = "public/door"
LATER_MS = 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Live:
    """A stand-in whose rule keeps presence; `deaf_to` are events that get lost on the way."""

    aws: Aws
    store: SqlPresence
    connections: IotConnections
    directory: KnownPeople = field(default_factory=KnownPeople)
    deaf_to: set[str] = field(default_factory=set)
    heard: queue.Queue[tuple[str, str]] = field(default_factory=queue.Queue)

    def hear(self, topic: str, payload: bytes) -> None:
        kind, client_id = topic.split("/")[3:5]
        if kind not in self.deaf_to:
            handle_lifecycle(
                json.loads(payload),
                store=self.store,
                directory=self.directory,
                connections=self.connections,
                stage="dev",
                now_ms=now_ms,
            )
        self.heard.put((kind, client_id))

    def wait_for(self, kind: str, client_id: str) -> None:
        while self.heard.get(timeout=DEADLINE_S) != (kind, client_id):
            pass

    def settle(self) -> None:
        """Wait until everything told so far has been heard."""
        done = Message("$aws/events/presence/none/done", b'{"eventType":"none","clientId":""}')
        self.aws.running.call(lambda: self.aws.stand_in.faults.set(None))
        self.aws.running.call(lambda: self.aws.stand_in.broker.publish(done))
        self.wait_for("none", "done")

    def present(self) -> list[PresentPerson]:
        return present_on(CHANNEL, store=self.store, directory=self.directory)

    def truth(self) -> set[str]:
        """Ask the stand-in's broker itself who is on the channel."""
        broker = self.aws.stand_in.broker
        return self.aws.running.call(
            lambda: {
                connection.session.client_id or ""
                for connection in broker.connections
                if CHANNEL in {channel_of("dev", name) for name in connection.session.filters}
            }
        )


@pytest.fixture
def live(sqlite_presence: SqlPresence, tmp_path: Path) -> Iterator[Live]:
    roles = {name: render(name) for name in ("guest_role", "connections_role")}
    settings = StandInSettings(
        tmp_path / "stand_in", accounts=account_of(roles), iot_port=0, aws_port=0, limits=OFF
    )
    stand_in = StandIn(settings)
    with ThreadPoolExecutor(1) as executor, running_in_thread(stand_in) as running:
        aws = Aws(running, Clock())
        connections = IotConnections(aws.iot_data(aws.role("connections_role")))
        found = Live(aws, sqlite_presence, connections)
        rule = TopicRule("$aws/events/+/+/+", found.hear, executor)
        running.call(lambda: stand_in.add_rule(rule))
        yield found
        aws.close_clients()


@pytest.mark.parametrize("seed", range(3))
def test_presence_is_the_brokers_though_events_come_twice_and_out_of_order(
    live: Live, seed: int
) -> None:
    faults = read_faults(f"lifecycle_double=0.5,lifecycle_swap=0.5,seed={seed}", fresh_seed=seed)
    live.aws.running.call(lambda: live.aws.stand_in.faults.set(faults))
    guests = [live.aws.guest() for _ in range(4)]
    clients = [live.aws.connect(guest) for guest in guests]
    for client in clients:
        client.subscribe("dev/public/door", "dev/public/other")
    clients[0].close()
    live.wait_for("disconnected", guests[0].identity_id)
    clients[1].paho.unsubscribe("dev/public/door")
    live.wait_for("unsubscribed", guests[1].identity_id)
    live.aws.connect(guests[2]).subscribe("dev/public/other")  # takes over
    second = live.aws.connect(guests[3], f"{guests[3].identity_id}-tab")
    second.subscribe("dev/public/door")
    live.settle()
    assert [(one.identity_id, one.connections) for one in live.present()] == [
        (guests[3].identity_id, 2)
    ]
    assert live.truth() == {guests[3].identity_id, f"{guests[3].identity_id}-tab"}


def test_what_was_never_told_heals(live: Live) -> None:
    stayed, left = live.aws.guest(), live.aws.guest()
    live.deaf_to = {"subscribed", "disconnected"}
    live.aws.connect(stayed).subscribe("dev/public/door")
    leaving = live.aws.connect(left)
    live.settle()
    assert live.present() == []
    live.aws.running.call(lambda: live.aws.stand_in.broker.disconnect(left.identity_id))
    leaving.disconnected.get(timeout=DEADLINE_S)
    live.settle()

    def healed() -> Healed:
        return heal(
            store=live.store,
            connections=live.connections,
            stage="dev",
            now_ms=lambda: now_ms() + LATER_MS,
        )

    assert healed() == Healed(asked=2, corrected=2)
    assert [one.identity_id for one in live.present()] == [stayed.identity_id]
    assert live.store.client_ids_of(left.identity_id) == [left.identity_id]


def test_whoever_was_revoked_is_sent_away_when_connecting(live: Live) -> None:
    guest = live.aws.guest()
    live.directory.save(Person(guest.identity_id, "mallory", is_revoked=True))
    client = live.aws.connect(guest)
    client.disconnected.get(timeout=DEADLINE_S)
    live.wait_for("disconnected", guest.identity_id)
    assert live.truth() == set()
