"""Kick: what was issued is void, what was attached is gone, who was connected is out."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from backend.aws_model import AttachedPolicies, LiveClients, PoolOfUsers
from bellwire.errors import Malformed, NotFound, TooMany, Unauthenticated, Upstream
from bellwire.grants import grants_of
from bellwire.identity_ports import Person
from bellwire.logins import Login
from bellwire.policies import Place
from bellwire.revocation import Bouncer, Kicked, kick
from bellwire.settling import TRIES, settle
from bellwire.sql.directory import SqlDirectory
from bellwire.sql.engine import open_sqlite

PLACE = Place("us-east-1", "000000000000", "dev")
FIRST = "us-east-1:00000000-0000-4000-8000-000000000001"
SOMEBODY = "us-east-1:00000000-0000-4000-8000-00000000000a"
NOW_S = 1_795_417_463.25


@dataclass
class Door:
    """A bouncer and all that he works with; only `wait_s` moves the clock."""

    directory: SqlDirectory
    pool: PoolOfUsers = field(default_factory=PoolOfUsers)
    grants: AttachedPolicies = field(default_factory=AttachedPolicies)
    clients: LiveClients = field(default_factory=LiveClients)
    known_clients: dict[str, list[str]] = field(default_factory=dict)
    now_s: float = NOW_S
    waits_s: list[float] = field(default_factory=list)

    def kick(self, user: str) -> Kicked:
        return kick(
            user,
            Bouncer(
                identities=self.pool,
                directory=self.directory,
                open_grants=lambda: self.grants,
                connections=self.clients,
                client_ids_of=lambda identity_id: self.known_clients.get(identity_id, []),
                now_s=lambda: self.now_s,
                wait_s=self._wait,
            ),
        )

    def _wait(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self.now_s += seconds

    def log_in(self, user: str, *groups: str, issued_at_s: int | None = None) -> str:
        """Log in by a token of now, or of another time."""
        login = Login(groups, int(self.now_s) if issued_at_s is None else issued_at_s, user=user)
        identity_id = self.pool.vouch_for(user, lifetime_s=1).identity_id
        settle(identity_id, login, grants_of(groups, PLACE), self.directory, self.grants)
        return identity_id

    def person(self, identity_id: str = FIRST) -> Person:
        found = self.directory.find(identity_id)
        assert found is not None
        return found


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(SqlDirectory(open_sqlite(tmp_path / "log.db")))


def test_whoever_is_kicked_is_out(door: Door) -> None:
    door.log_in("alice", "red")
    door.known_clients[FIRST] = [f"{FIRST}-tab1", f"{FIRST}-tab2", f"{FIRST}-gone"]
    door.clients.connected = {FIRST, f"{FIRST}-tab1", f"{FIRST}-tab2", "job-7"}
    assert door.kick("alice") == Kicked(FIRST, 3, 1_795_417_464)
    assert door.clients.connected == {"job-7"}
    assert door.grants.of(FIRST) == set()
    person = door.person()
    assert (person.is_revoked, person.revoked_before_s) == (True, 1_795_417_464)
    assert (person.attached, person.unsettled, person.groups) == ((), (), ("red",))


@pytest.mark.parametrize(
    ("now_s", "before_s", "wait_s"),
    [
        (1_795_417_463.0, 1_795_417_464, 1.0),
        (1_795_417_463.25, 1_795_417_464, 0.75),
        (1_795_417_463.875, 1_795_417_464, 0.125),
    ],
)
def test_it_returns_when_a_new_login_counts(
    door: Door, now_s: float, before_s: int, wait_s: float
) -> None:
    door.now_s = now_s
    assert door.kick("alice").revoked_before_s == before_s
    assert (door.waits_s, door.now_s) == ([wait_s], before_s)
    door.log_in("alice", "red")
    assert door.grants.of(FIRST) == {"member", "group.red"}
    assert not door.person().is_revoked


def test_a_clock_that_has_gone_on_meanwhile_is_not_waited_for(door: Door) -> None:
    door.grants.before = lambda: setattr(door, "now_s", NOW_S + 30)
    door.log_in("alice", issued_at_s=0)
    door.now_s = NOW_S
    assert door.kick("alice").revoked_before_s == 1_795_417_464
    assert door.waits_s == [0.0]


@pytest.mark.parametrize("issued_at_s", [0, 1_795_417_462, 1_795_417_463])
def test_a_login_of_before_is_refused_for_ever(door: Door, issued_at_s: int) -> None:
    """One of the same second as well: nobody can tell which was first."""
    door.kick("alice")
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="access was revoked since"):
            door.log_in("alice", "red", issued_at_s=issued_at_s)
        door.log_in("alice", "red", issued_at_s=1_795_417_464)
    assert door.grants.of(FIRST) == {"member", "group.red"}


def test_nobody_needs_to_have_logged_in_to_be_kicked(door: Door) -> None:
    """A login token that was never shown here is void as well."""
    kicked = door.kick("alice")
    assert (kicked.identity_id, kicked.connections_ended) == (FIRST, 0)
    assert door.directory.find_identity("alice") == FIRST
    with pytest.raises(Unauthenticated):
        door.log_in("alice", issued_at_s=1_795_417_463)


def test_an_identity_is_kicked_by_its_id(door: Door) -> None:
    door.directory.save(Person(SOMEBODY, SOMEBODY, attached=("bellwire.dev.member.x",)))
    assert door.kick(SOMEBODY).identity_id == SOMEBODY
    assert door.person(SOMEBODY).is_revoked
    assert door.pool.users == {}


def test_an_identity_of_a_user_is_kicked_by_its_id_too(door: Door) -> None:
    door.log_in("alice", "red")
    assert door.kick(FIRST).identity_id == FIRST
    assert door.person().user == "alice"
    assert door.grants.of(FIRST) == set()


def test_an_identity_that_nobody_has_is_not_found(door: Door) -> None:
    with pytest.raises(NotFound, match=f"nobody with the identity {SOMEBODY} has logged in"):
        door.kick(SOMEBODY)
    assert door.directory.find(SOMEBODY) is None


@pytest.mark.parametrize("user", ["", "a\nb", "x" * 257, "\ud800"])
def test_what_is_no_users_name_is_refused(door: Door, user: str) -> None:
    with pytest.raises(Malformed, match="expected a user's name"):
        door.kick(user)
    assert door.pool.users == {}


def test_others_stay(door: Door) -> None:
    alice, bob = door.log_in("alice", "red"), door.log_in("bob", "red")
    door.clients.connected = {alice, bob}
    assert door.kick("alice").connections_ended == 1
    assert door.clients.connected == {bob}
    assert door.grants.of(bob) == {"member", "group.red"}
    assert not door.person(bob).is_revoked


def test_a_second_kick_counts_from_then(door: Door) -> None:
    assert door.kick("alice").revoked_before_s == 1_795_417_464
    assert door.kick("alice").revoked_before_s == 1_795_417_465
    door.now_s -= 100  # a clock that was put back takes nothing back
    assert door.kick("alice").revoked_before_s == 1_795_417_366
    assert door.person().revoked_before_s == 1_795_417_465


def test_what_aws_did_not_do_is_done_by_the_next(door: Door) -> None:
    door.log_in("alice", "red", "blue")
    door.clients.connected = {FIRST}
    door.grants.failing = 1
    with pytest.raises(TooMany):
        door.kick("alice")
    assert door.person().is_revoked  # what needs no AWS holds already
    assert door.clients.connected == set()  # and what is open is closed all the same
    door.clients.connected = {FIRST}
    with pytest.raises(Unauthenticated):
        door.log_in("alice", "red")
    door.clients.failing = 1
    with pytest.raises(Upstream):
        door.kick("alice")
    assert door.grants.of(FIRST) == set()
    assert door.kick("alice").connections_ended == 1
    assert door.clients.connected == set()


def test_logins_that_never_stop_are_too_many(door: Door) -> None:
    door.log_in("alice", "red")
    saves: list[int] = []
    save: Callable[[Person], bool] = door.directory.save

    def be_beaten(person: Person) -> bool:
        saves.append(person.revision)
        known = door.person()
        assert save(replace(known, groups=(f"g{len(saves)}",)))
        return save(person)

    door.directory.save = be_beaten  # type: ignore[method-assign]  # a race, each time
    with pytest.raises(TooMany, match="'alice' is logging in too often to be kicked"):
        door.kick("alice")
    assert len(saves) == TRIES


def test_a_name_that_nobody_has_come_by_is_told(door: Door) -> None:
    """It is kept all the same: a token that was never shown here is void as well."""
    assert not door.kick("alcie").was_known
    door.log_in("alice")
    assert door.kick("alice").was_known
    assert door.kick(FIRST).was_known
