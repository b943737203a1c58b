"""Who is behind a bearer or a signature, and what they may read by their latest login."""

from dataclasses import replace
from pathlib import Path

import pytest

from bellwire.access import may_read
from bellwire.bearers import Bearer
from bellwire.errors import Unauthenticated
from bellwire.identity_ports import Directory, Person
from bellwire.policies import Place
from bellwire.readers import reader_of_bearer, reader_of_identity
from bellwire.sql.directory import SqlDirectory
from bellwire.sql.engine import open_sqlite

PLACE = Place("us-east-1", "000000000000", "dev")
ALICE = "us-east-1:00000000-0000-4000-8000-00000000000a"
BOB = "us-east-1:00000000-0000-4000-8000-00000000000b"
INBOX, BOBS_INBOX = f"user/{ALICE}/inbox", f"user/{BOB}/inbox"
ALL = ("public/a", INBOX, BOBS_INBOX, "group/red/room", "group/blue/room")
IN_RED = Person(ALICE, "alice", groups=("red",), revoked_before_s=100)


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return SqlDirectory(open_sqlite(tmp_path / "log.db"))


def keep(directory: Directory, person: Person) -> None:
    known = directory.find(person.identity_id)
    assert directory.save(replace(person, revision=known.revision if known else 0))


def readable(bearer: Bearer, directory: Directory) -> list[str]:
    reader = reader_of_bearer(bearer, directory, PLACE)
    assert reader.identity_id == bearer.identity_id
    return [channel for channel in ALL if may_read(reader, channel, PLACE)]


def test_a_member_reads_by_the_latest_login(directory: Directory) -> None:
    keep(directory, IN_RED)
    assert readable(Bearer(ALICE, 100), directory) == ["public/a", INBOX, "group/red/room"]
    keep(directory, replace(IN_RED, groups=("blue",)))
    assert readable(Bearer(ALICE, 100), directory) == ["public/a", INBOX, "group/blue/room"]


def test_a_narrowed_bearer_reads_its_channels_as_long_as_their_owner_may(
    directory: Directory,
) -> None:
    keep(directory, IN_RED)
    bearer = Bearer(ALICE, 100, (INBOX, "group/red/room", "group/blue/room", BOBS_INBOX))
    assert readable(bearer, directory) == [INBOX, "group/red/room"]
    keep(directory, replace(IN_RED, groups=("blue",)))
    assert readable(bearer, directory) == [INBOX, "group/blue/room"]
    assert readable(Bearer(ALICE, 100, ()), directory) == []


@pytest.mark.parametrize("channels", [None, ("public/a",)])
def test_what_is_older_than_a_revocation_is_refused(
    directory: Directory, channels: tuple[str, ...] | None
) -> None:
    keep(directory, IN_RED)
    assert "public/a" in readable(Bearer(ALICE, 100, channels), directory)
    with pytest.raises(Unauthenticated, match="access was revoked since: log in again"):
        readable(Bearer(ALICE, 99, channels), directory)


@pytest.mark.parametrize("channels", [None, ("public/a",)])
def test_after_a_revocation_nothing_holds_before_the_next_login(
    directory: Directory, channels: tuple[str, ...] | None
) -> None:
    """The pool makes new tokens for whoever holds a provider's login or an older token."""
    keep(directory, replace(IN_RED, is_revoked=True))
    with pytest.raises(Unauthenticated, match="access was revoked since: log in again"):
        readable(Bearer(ALICE, 101, channels), directory)
    with pytest.raises(Unauthenticated, match="access was revoked since: log in again"):
        reader_of_identity(ALICE, directory, PLACE)


def test_a_signer_reads_by_the_latest_login(directory: Directory) -> None:
    keep(directory, IN_RED)
    reader = reader_of_identity(ALICE, directory, PLACE)
    assert [channel for channel in ALL if may_read(reader, channel, PLACE)] == [
        "public/a",
        INBOX,
        "group/red/room",
    ]


def test_who_never_opened_a_session_is_refused(directory: Directory) -> None:
    keep(directory, IN_RED)
    with pytest.raises(Unauthenticated, match="expected a session to be opened first"):
        reader_of_bearer(Bearer(BOB, 100), directory, PLACE)
    with pytest.raises(Unauthenticated, match="expected a session to be opened first"):
        reader_of_identity(BOB, directory, PLACE)
