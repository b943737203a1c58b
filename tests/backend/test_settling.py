"""What is attached to identities, whatever dies, and whoever logs in or is kicked meanwhile."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.aws_model import AttachedPolicies
from bellwire.errors import TooMany, Unauthenticated
from bellwire.grants import grant_names_of, grants_of
from bellwire.identity_ports import Directory, Person
from bellwire.logins import Login
from bellwire.policies import Place
from bellwire.settling import revoke, settle, settle_without_attaching
from bellwire.sql.directory import SqlDirectory
from bellwire.sql.engine import open_sqlite

PLACE = Place("us-east-1", "000000000000", "dev")
ALICE = "us-east-1:00000000-0000-4000-8000-00000000000a"


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return SqlDirectory(open_sqlite(tmp_path / "log.db"))


@pytest.fixture
def grants() -> AttachedPolicies:
    return AttachedPolicies()


def login(*groups: str, issued_at_s: int = 100) -> Login:
    return Login(groups, issued_at_s, user="alice")


def log_in(
    directory: Directory, grants: AttachedPolicies, *groups: str, issued_at_s: int = 100
) -> None:
    wanted = grants_of(groups, PLACE)
    settle(ALICE, login(*groups, issued_at_s=issued_at_s), wanted, directory, grants)


def narrow(
    directory: Directory, grants: AttachedPolicies, *groups: str, issued_at_s: int = 100
) -> None:
    names = grant_names_of(groups, PLACE)
    shown = login(*groups, issued_at_s=issued_at_s)
    settle_without_attaching(ALICE, shown, names, directory, grants)


def kick(directory: Directory, grants: AttachedPolicies, before_s: int) -> None:
    while True:
        person = directory.find(ALICE) or Person(ALICE, "alice")
        if person.revoked_before_s >= before_s and not person.is_revoked:
            return
        if revoke(person, before_s, directory, grants):
            return


def found(directory: Directory) -> Person:
    person = directory.find(ALICE)
    assert person is not None
    return person


def test_a_login_attaches_and_a_known_one_calls_nobody(
    directory: Directory, grants: AttachedPolicies
) -> None:
    log_in(directory, grants, "red")
    assert grants.of(ALICE) == {"member", "group.red"}
    before = found(directory)
    log_in(directory, grants, "red", issued_at_s=200)
    assert len(grants.calls) == 2
    assert found(directory) == before


def test_what_a_login_no_longer_says_is_taken_away_first(
    directory: Directory, grants: AttachedPolicies
) -> None:
    log_in(directory, grants, "blue", "red")
    grants.calls.clear()
    log_in(directory, grants, "green", "red")
    assert grants.calls == [("detach", "group.blue"), ("attach", "group.green")]
    assert grants.of(ALICE) == {"member", "group.red", "group.green"}
    assert found(directory).groups == ("green", "red")


@pytest.mark.parametrize("failing_at", [0, 1, 2, 3])
def test_an_interrupted_login_is_finished_by_the_next(
    directory: Directory, grants: AttachedPolicies, failing_at: int
) -> None:
    log_in(directory, grants, "blue")
    calls = iter(range(10))

    def fail_once() -> None:
        grants.failing = int(next(calls) == failing_at)

    grants.before = fail_once
    try:
        log_in(directory, grants, "green", "red")
    except TooMany:
        assert set(grants.attached[ALICE]) <= set(found(directory).attached)
    log_in(directory, grants, "green", "red")
    assert grants.of(ALICE) == {"member", "group.green", "group.red"}
    assert found(directory).unsettled == ()


def test_what_was_done_before_the_interruption_is_not_done_again(
    directory: Directory, grants: AttachedPolicies
) -> None:
    calls = iter([False, False, True])
    grants.before = lambda: setattr(grants, "failing", int(next(calls, False)))
    with pytest.raises(TooMany):
        log_in(directory, grants, "green", "red")
    log_in(directory, grants, "green", "red")
    assert len(grants.calls) == len(set(grants.calls)) == 3


def test_a_narrowed_login_attaches_nothing_and_takes_away_what_has_ended(
    directory: Directory, grants: AttachedPolicies
) -> None:
    narrow(directory, grants, "red")
    assert (grants.of(ALICE), found(directory).groups) == (set(), ("red",))
    log_in(directory, grants, "blue", "red")
    narrow(directory, grants, "red", *(f"g{number}" for number in range(20)))
    assert grants.of(ALICE) == {"member", "group.red"}


def test_a_kick_takes_everything_and_only_a_later_login_gives_it_back(
    directory: Directory, grants: AttachedPolicies
) -> None:
    log_in(directory, grants, "red")
    kick(directory, grants, before_s=150)
    assert grants.of(ALICE) == set()
    assert found(directory).is_revoked
    with pytest.raises(Unauthenticated, match="access was revoked since: log in again"):
        log_in(directory, grants, "red", issued_at_s=149)
    assert grants.of(ALICE) == set()
    log_in(directory, grants, "red", issued_at_s=150)
    assert grants.of(ALICE) == {"member", "group.red"}
    assert not found(directory).is_revoked
    kick(directory, grants, before_s=100)
    assert found(directory).revoked_before_s == 150


def test_many_tabs_that_log_in_at_once_all_get_in(
    directory: Directory, grants: AttachedPolicies
) -> None:
    """Each attaches what it must, none what another has put right already."""
    tabs, together = 16, Barrier(16)

    def open_tab(_tab: int) -> None:
        together.wait(10)
        log_in(directory, grants, "red")

    with ThreadPoolExecutor(tabs) as threads:
        list(threads.map(open_tab, range(tabs)))
    assert grants.of(ALICE) == {"member", "group.red"}
    assert (found(directory).unsettled, found(directory).revision) == ((), 2)
    assert len(grants.calls) <= 2 * tabs
    grants.calls.clear()
    log_in(directory, grants, "red")
    assert grants.calls == []


def test_a_kick_in_the_middle_of_a_login_wins(
    directory: Directory, grants: AttachedPolicies
) -> None:
    kicks = iter([False, True])

    def kick_once() -> None:
        if next(kicks, False):
            kick(directory, grants, before_s=150)

    grants.before = kick_once
    with pytest.raises(Unauthenticated):
        log_in(directory, grants, "blue", "red")
    assert grants.of(ALICE) == set()
    assert found(directory).attached == ()


Step = tuple[str, tuple[str, ...], int]
GROUPS = st.sets(st.sampled_from(["red", "green", "blue"])).map(lambda found: tuple(sorted(found)))
STEPS = st.tuples(st.sampled_from(["log in", "narrow", "kick"]), GROUPS, st.integers(0, 5))


@settings(max_examples=3000, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=4), st.lists(st.integers(0, 8), max_size=12))
def test_whatever_meets_what_the_directory_says_is_what_is_attached(
    steps: Sequence[Step], choices: list[int]
) -> None:
    """Logins and kicks run into each other, and fail, at any call; the last one finishes alone."""
    directory, grants = _InMemory(), AttachedPolicies()
    waiting, now_s, turns = list(steps), [100], iter(choices)

    def perform(step: Step) -> None:
        what, groups, failing = step
        now_s[0] += 1
        try:
            if what == "kick":
                kick(directory, grants, before_s=now_s[0])
            else:
                grants.failing = failing // 4
                {"log in": log_in, "narrow": narrow}[what](
                    directory, grants, *groups, issued_at_s=now_s[0]
                )
        except (TooMany, Unauthenticated):
            pass

    def run_into_another() -> None:
        if waiting and next(turns, 8) < 4:
            perform(waiting.pop())

    grants.before = run_into_another
    while waiting:
        perform(waiting.pop())
    held = grants.attached.get(ALICE, set())
    assert held <= set(found(directory).attached) | set(found(directory).unsettled)
    grants.before, grants.failing = lambda: None, 0
    now_s[0] += 1
    log_in(directory, grants, "red", issued_at_s=now_s[0])
    assert grants.of(ALICE) == {"member", "group.red"}
    assert found(directory).unsettled == ()
    kick(directory, grants, before_s=now_s[0])
    assert grants.of(ALICE) == set()


class _InMemory:
    """The same as the real ones, which the contract tests compare; thousands of times faster."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}

    def find(self, identity_id: str) -> Person | None:
        return self._people.get(identity_id)

    def find_identity(self, user: str) -> str | None:
        return next((one.identity_id for one in self._people.values() if one.user == user), None)

    def save(self, person: Person) -> bool:
        known = self._people.get(person.identity_id)
        if (known.revision if known else 0) != person.revision:
            return False
        self._people[person.identity_id] = replace(person, revision=person.revision + 1)
        return True
