"""What every directory must do, whatever it is stored in."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from bellwire.identity_ports import Directory, Person

ALICE = "us-east-1:00000000-0000-4000-8000-00000000000a"
BOB = "us-east-1:00000000-0000-4000-8000-00000000000b"
KNOWN = Person(
    ALICE,
    "alice",
    groups=("blue", "ops:eu", "red"),
    attached=("bellwire.dev.group.ops=eu.5d41402a", "bellwire.dev.member.7d793037"),
    unsettled=("bellwire.dev.member.7d793037",),
    revoked_before_s=1_795_417_464,
    is_revoked=True,
)
ODD_NAMES = (
    " ",
    "alice ",
    "Alice",
    "ALICE",
    "a/b#c",
    "user#alice",
    "identity#" + BOB,
    "'; drop table people; --",
    'a"b',
    "100%",
    "a_b",
    "\\",
    "{}",
    "null",
    "0",
    "Zo\u00eb",
    "Zoe\u0308",
    "\U0001f514" * 256,
    "x" * 256,
)


def test_nobody_is_found_before_anybody_was_saved(directory: Directory) -> None:
    assert directory.find(ALICE) is None
    assert directory.find_identity("alice") is None


def test_who_was_saved_is_found_as_saved(directory: Directory) -> None:
    assert directory.save(KNOWN)
    assert directory.find(ALICE) == replace(KNOWN, revision=1)
    assert directory.find_identity("alice") == ALICE
    assert directory.find(BOB) is None
    assert directory.find_identity("bob") is None


def test_nothing_is_kept_of_what_is_taken_away(directory: Directory) -> None:
    directory.save(KNOWN)
    plain = Person(ALICE, "alice", revision=1)
    assert directory.save(plain)
    assert directory.find(ALICE) == replace(plain, revision=2)


def test_each_save_counts(directory: Directory) -> None:
    person = Person(ALICE, "alice")
    for revision in range(5):
        assert directory.save(replace(person, revision=revision, groups=(f"g{revision}",)))
    found = directory.find(ALICE)
    assert found is not None
    assert (found.revision, found.groups) == (5, ("g4",))


@pytest.mark.parametrize("revision", [0, 1, 3, -1, 1_000_000])
def test_a_save_by_old_knowledge_changes_nothing(directory: Directory, revision: int) -> None:
    directory.save(Person(ALICE, "alice"))
    directory.save(Person(ALICE, "alice", groups=("red",), revision=1))
    before = directory.find(ALICE)
    assert not directory.save(Person(ALICE, "mallory", is_revoked=True, revision=revision))
    assert directory.find(ALICE) == before
    assert directory.find_identity("mallory") is None
    assert directory.find_identity("alice") == ALICE


@pytest.mark.parametrize("revision", [1, 2])
def test_who_was_never_saved_is_saved_as_the_first(directory: Directory, revision: int) -> None:
    assert not directory.save(Person(ALICE, "alice", revision=revision))
    assert directory.find(ALICE) is None
    assert directory.find_identity("alice") is None


def test_of_saves_at_once_exactly_one_wins(directory: Directory) -> None:
    writers = 6
    start = Barrier(writers)

    def save(writer: int) -> list[bool]:
        won = []
        for revision in range(3):
            start.wait(10)
            groups = (f"g{writer}",)
            won.append(directory.save(Person(ALICE, "alice", groups, revision=revision)))
        return won

    with ThreadPoolExecutor(writers) as pool:
        rounds = list(zip(*pool.map(save, range(writers)), strict=True))
    assert [sum(won) for won in rounds] == [1, 1, 1]
    found = directory.find(ALICE)
    assert found is not None
    assert found.revision == 3
    assert found.groups == (f"g{rounds[-1].index(True)}",)


def test_odd_names_are_told_apart(directory: Directory) -> None:
    ids = {user: f"us-east-1:00000000-0000-4000-8000-{n:012x}" for n, user in enumerate(ODD_NAMES)}
    for user, identity_id in ids.items():
        assert directory.save(Person(identity_id, user, groups=(":@.-_",)))
    for user, identity_id in ids.items():
        assert directory.find_identity(user) == identity_id
        found = directory.find(identity_id)
        assert found is not None
        assert (found.user, found.groups) == (user, (":@.-_",))
    assert directory.find_identity("alice") is None
    assert directory.find("alice") is None


def test_a_user_is_who_they_were_saved_as_last(directory: Directory) -> None:
    """Another pool, or a merge there, gives the same user another identity."""
    for revision in range(3):
        directory.save(Person(ALICE, "alice", revision=revision))
    assert directory.save(Person(BOB, "alice"))
    assert directory.find_identity("alice") == BOB
    assert directory.save(Person(ALICE, "alice", revision=3))
    assert directory.find_identity("alice") == ALICE


def test_an_identity_is_found_by_every_name_it_had(directory: Directory) -> None:
    directory.save(Person(ALICE, "alice"))
    directory.save(Person(ALICE, "alicia", revision=1))
    assert directory.find_identity("alice") == ALICE
    assert directory.find_identity("alicia") == ALICE
    found = directory.find(ALICE)
    assert found is not None
    assert found.user == "alicia"
    directory.save(Person(BOB, "alice"))
    assert directory.find_identity("alice") == BOB
    assert directory.find_identity("alicia") == ALICE


def test_much_is_kept_of_one_person(directory: Directory) -> None:
    groups = tuple(f"{number:03d}" + "g" * 61 for number in range(200))
    attached = tuple(f"{number}" + "p" * 127 for number in range(10))
    directory.save(Person(ALICE, "alice", groups, attached, attached, 2**53))
    assert directory.find(ALICE) == Person(
        ALICE, "alice", groups, attached, attached, 2**53, revision=1
    )
