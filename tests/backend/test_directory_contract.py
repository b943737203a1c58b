"""What every directory of people must do, whatever it is stored in."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from bellwire.aws.dynamodb_directory import DynamoDbDirectory, create_directory_table
from bellwire.identity_ports import Directory, Person
from bellwire.sql.directory import SqlDirectory
from bellwire.sql.engine import open_postgres, open_sqlite
from bellwire.sql.tables import metadata

ALICE: Final = "us-east-1:00000000-0000-4000-8000-00000000000a"
BOB: Final = "us-east-1:00000000-0000-4000-8000-00000000000b"
SOMEBODY: Final = Person(
    ALICE,
    "alice",
    groups=("ops:eu", "red"),
    attached=("bellwire.dev.group.red.1", "bellwire.dev.member.2"),
    unsettled=("bellwire.dev.member.2",),
    revoked_before_s=1_795_881_912,
    is_revoked=True,
)


@pytest.fixture
def sqlite_directory(tmp_path: Path) -> Iterator[SqlDirectory]:
    engine = open_sqlite(tmp_path / "log.db")
    yield SqlDirectory(engine)
    engine.dispose()


@pytest.fixture
def postgres_directory(postgres_url: str) -> Iterator[SqlDirectory]:
    engine = open_postgres(postgres_url)
    yield SqlDirectory(engine)
    metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def dynamodb_directory(dynamodb: Any) -> DynamoDbDirectory:
    create_directory_table(dynamodb, "bellwire-directory")
    return DynamoDbDirectory(dynamodb, "bellwire-directory")


@pytest.fixture(params=["sqlite", "postgres", "dynamodb"])
def directory(request: pytest.FixtureRequest) -> Directory:
    """Every implementation of the port, one after another."""
    found: Directory = request.getfixturevalue(f"{request.param}_directory")
    return found


def test_nobody_is_known_at_first(directory: Directory) -> None:
    assert directory.find(ALICE) is None
    assert directory.find_identity("alice") is None


def test_somebody_is_found_as_they_were_saved(directory: Directory) -> None:
    assert directory.save(SOMEBODY)
    assert directory.find(ALICE) == replace(SOMEBODY, revision=1)
    assert directory.find_identity("alice") == ALICE
    assert directory.find(BOB) is None


def test_a_change_needs_the_newest_revision(directory: Directory) -> None:
    directory.save(SOMEBODY)
    first = directory.find(ALICE)
    assert first is not None
    changed = replace(first, groups=(), attached=(), unsettled=(), is_revoked=False)
    assert directory.save(changed)
    assert directory.find(ALICE) == replace(changed, revision=2)
    assert not directory.save(replace(first, user="mallory"))
    assert not directory.save(SOMEBODY)
    assert not directory.save(replace(first, revision=7))
    assert directory.find(ALICE) == replace(changed, revision=2)
    assert directory.find_identity("mallory") is None


def test_nobody_is_changed_who_was_never_saved(directory: Directory) -> None:
    assert not directory.save(replace(SOMEBODY, revision=3))
    assert directory.find(ALICE) is None


def test_a_user_is_found_by_the_newest_identity(directory: Directory) -> None:
    """As after a merge in the pool."""
    directory.save(SOMEBODY)
    directory.save(Person(BOB, "bob"))
    bob = directory.find(BOB)
    assert bob is not None
    assert directory.save(replace(bob, user="alice"))
    assert directory.find_identity("alice") == BOB


@pytest.mark.parametrize(
    "user",
    ["a#b", "user#alice", "Alice", "ä ö ü", "'; drop table people; --", "x" * 256, "👩‍🚀", ALICE],
)
def test_names_are_kept_as_they_are(directory: Directory, user: str) -> None:
    directory.save(Person(BOB, user))
    found = directory.find(BOB)
    assert found is not None
    assert found.user == user
    assert directory.find_identity(user) == BOB
    assert directory.find_identity(user.upper() + "?") is None


@pytest.mark.parametrize("is_known", [False, True])
def test_of_many_at_once_exactly_one_saves(directory: Directory, *, is_known: bool) -> None:
    if is_known:
        directory.save(SOMEBODY)
    seen = directory.find(ALICE) or SOMEBODY
    changes = [replace(seen, groups=(f"g{number}",)) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        saved = list(threads.map(directory.save, changes))
    assert sorted(saved) == [False] * 7 + [True]
    winner = changes[saved.index(True)]
    assert directory.find(ALICE) == replace(winner, revision=seen.revision + 1)
