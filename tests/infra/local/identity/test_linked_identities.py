"""Who owns which login: against a plain dictionary, and across a restart."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bellwire_local.identity.linked_identities import LinkedIdentities, Login
from bellwire_local.storage import open_storage

LOGINS = [Login(provider, subject) for provider in ("a", "b") for subject in ("x", "y", "é")]
IDS = ["us-east-1:0", "us-east-1:1", "us-east-1:2"]


class Ownership(RuleBasedStateMachine):
    """The oracle: login → identity, and source → destination of merges."""

    def __init__(self) -> None:
        super().__init__()
        self.storage = sqlite3.connect(":memory:", isolation_level=None)
        self.linked = LinkedIdentities(self.storage)
        self.owners: dict[Login, str] = {}
        self.merged: dict[str, str] = {}

    @rule(identity_id=st.sampled_from(IDS), login=st.sampled_from(LOGINS))
    def link(self, identity_id: str, login: Login) -> None:
        if login not in self.owners:
            self.linked.link(identity_id, [login], 1)
            self.owners[login] = identity_id

    @rule(logins=st.lists(st.sampled_from(LOGINS)))
    def unlink(self, logins: list[Login]) -> None:
        self.linked.unlink(logins, 2)
        for login in logins:
            self.owners.pop(login, None)

    @precondition(lambda self: not self.merged)
    @rule(ends=st.permutations(IDS))
    def merge(self, ends: list[str]) -> None:
        source, destination = ends[:2]
        self.linked.merge(source, destination, 3)
        self.merged[source] = destination
        for login, owner in self.owners.items():
            if owner == source:
                self.owners[login] = destination

    @invariant()
    def owners_agree(self) -> None:
        for login in LOGINS:
            assert self.linked.find_owner(login) == self.owners.get(login)

    @invariant()
    def identities_agree(self) -> None:
        for identity_id in IDS:
            found = self.linked.find(identity_id)
            mine = sorted(login for login, owner in self.owners.items() if owner == identity_id)
            assert list(found.logins if found else ()) == mine
            assert (found.merged_into if found else None) == self.merged.get(identity_id)

    def teardown(self) -> None:
        self.storage.close()


TestOwnership = Ownership.TestCase
TestOwnership.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


def test_a_restart_forgets_nobody(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    LinkedIdentities(storage).link(IDS[0], LOGINS[:2], 7)
    storage.close()
    storage = open_storage(tmp_path)
    found = LinkedIdentities(storage).find(IDS[0])
    storage.close()
    assert found is not None
    assert (found.created_at_s, found.modified_at_s, found.logins) == (7, 7, tuple(LOGINS[:2]))


def test_a_link_that_fails_leaves_nothing_behind() -> None:
    storage = sqlite3.connect(":memory:", isolation_level=None)
    linked = LinkedIdentities(storage)
    linked.link(IDS[0], LOGINS[:1], 1)
    with pytest.raises(sqlite3.IntegrityError):
        linked.link(IDS[1], [LOGINS[1], LOGINS[0]], 2)
    found = linked.find(IDS[1]), linked.find_owner(LOGINS[1])
    storage.close()
    assert found == (None, None)
