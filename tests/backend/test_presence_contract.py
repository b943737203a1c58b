"""What every store of presence must do, whatever it is stored in."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.lifetimes import BEGIN_MS, CLIENT, IDENTITY, Stay, events_of, histories
from bellwire.attendance import MAX_CHANNELS, Answer, Attendance, confirm, miss, observe
from bellwire.identity_ports import PresenceStore, Present
from bellwire.lifecycle import LifecycleEvent

OTHER = "us-east-1:00000000-3f2d-4c1b-9a8e-0123456789ab"
NOBODY = Attendance(CLIENT, IDENTITY)


def there(*channels: str, client_id: str = CLIENT, since_ms: int = BEGIN_MS) -> Attendance:
    """A client of which the broker has told."""
    identity_id = client_id[: len(IDENTITY)]
    answer = Answer(since_ms + 1, since_ms, frozenset(channels))
    return confirm(Attendance(client_id, identity_id), answer)


def saved(store: PresenceStore, attendance: Attendance) -> Attendance:
    assert store.save(attendance)
    found = store.find(attendance.client_id)
    assert found is not None
    return found


def test_a_client_never_saved_is_not_there(presences: PresenceStore) -> None:
    assert presences.find(CLIENT) is None
    assert presences.find("job-1") is None
    assert presences.client_ids_of(IDENTITY) == []
    assert presences.clients_on("public/a") == []
    assert presences.unconfirmed(2**53, 10) == []


@given(history=histories(), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
def test_a_client_comes_back_as_it_was_saved(
    presences: PresenceStore, history: list[Stay], data: st.DataObject
) -> None:
    known = presences.find(CLIENT) or NOBODY
    for event in data.draw(st.permutations(events_of(history))):
        known = observe(known, event, BEGIN_MS)
    known = confirm(known, Answer(BEGIN_MS + 7, BEGIN_MS, frozenset({"group/red/room"})))
    assert saved(presences, known) == replace(known, revision=known.revision + 1)


def test_whoever_has_not_read_the_newest_is_told(presences: PresenceStore) -> None:
    first = saved(presences, there("public/a"))
    assert first.revision == 1
    assert not presences.save(there("public/b"))
    second = saved(presences, confirm(first, Answer(BEGIN_MS + 9, BEGIN_MS, frozenset())))
    assert second.revision == 2
    assert not presences.save(first)
    assert not presences.save(replace(first, client_id=f"{IDENTITY}-never"))
    assert presences.clients_on("public/a") == presences.clients_on("public/b") == []


def test_clients_are_on_the_channels_that_they_were_saved_with(presences: PresenceStore) -> None:
    one = saved(presences, there("public/a", "public/b"))
    saved(presences, there("public/b", client_id=OTHER, since_ms=BEGIN_MS + 5))
    mine = Present(CLIENT, IDENTITY, BEGIN_MS)
    other = Present(OTHER, OTHER, BEGIN_MS + 5)
    assert presences.clients_on("public/a") == [mine]
    assert presences.clients_on("public/b") == [other, mine]
    one = saved(
        presences, confirm(one, Answer(BEGIN_MS + 9, BEGIN_MS, frozenset({"public/c", "public/b"})))
    )
    assert [presences.clients_on(f"public/{name}") for name in "abc"] == [[], [other, mine], [mine]]
    saved(presences, miss(one, BEGIN_MS + 10))
    assert [presences.clients_on(f"public/{name}") for name in "abc"] == [[], [other], []]


def test_since_when_a_client_is_there_may_become_known_later(presences: PresenceStore) -> None:
    channels = ("public/a", "public/b")
    told = LifecycleEvent("subscribed", CLIENT, IDENTITY, "a", BEGIN_MS + 5, channels=channels)
    early = saved(presences, observe(NOBODY, told, BEGIN_MS))
    assert presences.clients_on("public/b") == [Present(CLIENT, IDENTITY, BEGIN_MS + 5)]
    connected = LifecycleEvent("connected", CLIENT, IDENTITY, "a", BEGIN_MS, version=0)
    saved(presences, observe(early, connected, BEGIN_MS))
    assert presences.clients_on("public/b") == [Present(CLIENT, IDENTITY, BEGIN_MS)]


def test_a_client_may_leave_all_of_its_channels_for_as_many_others(
    presences: PresenceStore,
) -> None:
    before = [f"public/before{n}" for n in range(MAX_CHANNELS)]
    after = [f"public/after{n}" for n in range(MAX_CHANNELS)]
    first = saved(presences, there(*before))
    second = saved(presences, confirm(first, Answer(BEGIN_MS + 9, BEGIN_MS, frozenset(after))))
    assert second.revision > first.revision
    assert second.presence is not None
    assert second.presence.channels == frozenset(after)
    assert not any(presences.clients_on(channel) for channel in before)
    assert all(presences.clients_on(channel) for channel in after)
    assert not presences.save(first)
    assert presences.save(second)


def test_an_identitys_clients_are_named_also_those_that_have_gone(
    presences: PresenceStore,
) -> None:
    for client_id in (f"{IDENTITY}-b", IDENTITY, f"{IDENTITY}-a", OTHER):
        gone = saved(presences, there("public/a", client_id=client_id))
        saved(presences, miss(gone, BEGIN_MS + 9))
    assert presences.client_ids_of(IDENTITY) == [IDENTITY, f"{IDENTITY}-a", f"{IDENTITY}-b"]
    assert presences.client_ids_of(OTHER) == [OTHER]


def test_the_longest_unconfirmed_come_first_and_those_gone_never(
    presences: PresenceStore,
) -> None:
    clients = [f"{IDENTITY}-{n}" for n in range(12)]
    for n, client_id in enumerate(reversed(clients)):
        saved(presences, there(client_id=client_id, since_ms=BEGIN_MS + n))
    gone = saved(presences, there(client_id=OTHER))
    saved(presences, miss(gone, BEGIN_MS))

    def asked(before_ms: int, limit: int) -> list[str]:
        return [found.client_id for found in presences.unconfirmed(before_ms, limit)]

    assert asked(BEGIN_MS + 1, 20) == []
    assert asked(BEGIN_MS + 3, 20) == clients[:-3:-1]
    assert asked(2**53, 5) == clients[:-6:-1]
    assert asked(2**53, 20) == clients[::-1]
    (first,) = presences.unconfirmed(2**53, 1)
    assert presences.save(confirm(first, Answer(2**53 - 1, BEGIN_MS, frozenset())))
    assert asked(2**53, 20) == [*clients[-2::-1], clients[-1]]


def test_savers_side_by_side_lose_nothing(presences: PresenceStore) -> None:
    def save(channel: str) -> None:
        event = LifecycleEvent("subscribed", CLIENT, IDENTITY, "a", BEGIN_MS, channels=(channel,))
        while True:
            known = presences.find(CLIENT) or NOBODY
            if presences.save(observe(known, event, BEGIN_MS)):
                return

    channels = [f"public/{n}" for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, channels))
    found = presences.find(CLIENT)
    assert found is not None
    assert found.presence is not None
    assert found.presence.channels == frozenset(channels)
    assert [len(presences.clients_on(channel)) for channel in channels] == [1] * 12


@pytest.mark.parametrize("presences", ["sqlite", "postgres"], indirect=True)
def test_those_that_have_gone_are_dropped(presences: PresenceStore) -> None:
    here = saved(presences, there("public/a", client_id=OTHER))
    gone = saved(presences, miss(saved(presences, there("public/a")), BEGIN_MS + 9))
    assert presences.drop_expired(gone.expires_at_ms) == 0
    assert presences.drop_expired(gone.expires_at_ms + 1) == 1
    assert presences.find(CLIENT) is None
    assert not presences.save(gone)
    assert [present.client_id for present in presences.clients_on("public/a")] == [OTHER]
    assert presences.drop_expired(here.expires_at_ms + 1) == 1
    assert presences.clients_on("public/a") == []
