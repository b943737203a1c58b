"""What is known of a client is the same whatever comes first, twice or late; asking heals the rest.

The model of what really happened is in `lifetimes`.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.lifetimes import (
    BEGIN_MS,
    CLIENT,
    HOUR_MS,
    IDENTITY,
    MINUTE_MS,
    SECOND_MS,
    Stay,
    events_of,
    histories,
    off_ms,
    shown,
    truth,
)
from backend.presence_doubles import an_event
from bellwire.attendance import (
    MAX_CHANGES,
    MAX_CHANNELS,
    MAX_VISITS,
    Answer,
    Attendance,
    confirm,
    miss,
    observe,
)
from bellwire.attendance_json import decode_attendance, encode_attendance
from bellwire.lifecycle import LifecycleEvent

NOBODY = Attendance(CLIENT, IDENTITY)
LATER_MS = BEGIN_MS + 1_000 * HOUR_MS


def told(events: list[LifecycleEvent], known: Attendance = NOBODY) -> Attendance:
    for event in events:
        known = observe(known, event, now_ms=7)
    return known


def answered(known: Attendance, stays: list[Stay], asked_ms: int) -> Attendance:
    """Ask a broker that knows the truth."""
    is_there, since_ms, channels = truth(stays, asked_ms)
    if not is_there or since_ms is None:
        return miss(known, asked_ms)
    return confirm(known, Answer(asked_ms, since_ms, channels))


@given(histories(), st.data())
def test_any_order_and_repetition_leaves_the_same_and_it_is_the_truth(
    stays: list[Stay], data: st.DataObject
) -> None:
    events = events_of(stays)
    repeated = events + data.draw(st.lists(st.sampled_from(events), max_size=5))
    found = told(data.draw(st.permutations(repeated)))
    assert found == told(events)
    assert [visit.session for visit in found.visits] == [stays[-1].session]
    assert list(found.past) == [stay.session for stay in stays[:-1]]
    assert shown(found) == truth(stays, LATER_MS)


@given(histories(may_change_twice=False), st.data())
def test_timestamps_that_are_two_minutes_off_change_nothing_that_can_be_decided(
    stays: list[Stay], data: st.DataObject
) -> None:
    events = [replace(event, at_ms=event.at_ms + data.draw(off_ms)) for event in events_of(stays)]
    found, again = (told(data.draw(st.permutations(events))) for _ in range(2))
    assert found == again
    is_there, _, channels = truth(stays, LATER_MS)
    assert (shown(found)[0], shown(found)[2]) == (is_there, channels)


@given(histories(), st.data())
def test_what_is_known_already_is_the_very_same(stays: list[Stay], data: st.DataObject) -> None:
    events = events_of(stays)
    found = told(data.draw(st.permutations(events)))
    assert all(observe(found, event, now_ms=8) is found for event in events)


@given(histories(), st.data())
def test_it_is_kept_as_json_and_comes_back(stays: list[Stay], data: st.DataObject) -> None:
    found = told(data.draw(st.permutations(events_of(stays)))[:-1])
    asked = answered(found, stays, data.draw(st.integers(BEGIN_MS, BEGIN_MS + 9 * HOUR_MS)))
    kept = replace(asked, revision=3)
    assert decode_attendance(CLIENT, encode_attendance(kept), 3) == kept


Arrival = tuple[int, LifecycleEvent | None]
"""When an event comes, or (None) the broker is asked."""


@st.composite
def arrivals(draw: st.DrawFn, stays: list[Stay], *, may_lose: bool) -> list[Arrival]:
    """Let every event come late, often or never, and ask the broker now and then."""
    late_ms = st.one_of(st.integers(0, 5 * SECOND_MS), st.integers(0, 4 * HOUR_MS))
    coming: list[Arrival] = [
        (event.at_ms + delay_ms, event)
        for event in events_of(stays)
        for delay_ms in draw(st.lists(late_ms, min_size=0 if may_lose else 1, max_size=2))
    ]
    end_ms = max([at_ms for at_ms, _ in coming], default=BEGIN_MS + HOUR_MS)
    asking = draw(st.lists(st.integers(BEGIN_MS, end_ms), max_size=4))
    return sorted([*coming, *((at_ms, None) for at_ms in asking)], key=lambda one: one[0])


def lived(stays: list[Stay], coming: list[Arrival]) -> Attendance:
    known = NOBODY
    for at_ms, event in coming:
        if event is not None:
            known = observe(known, event, at_ms)
        elif known.may_be_there:
            known = answered(known, stays, at_ms)
    return known


@given(histories(), st.data())
def test_asking_meanwhile_keeps_nothing_from_becoming_true(
    stays: list[Stay], data: st.DataObject
) -> None:
    found = lived(stays, data.draw(arrivals(stays, may_lose=False)))
    assert shown(found) == truth(stays, LATER_MS)


@given(histories(), st.data())
def test_asking_heals_whatever_was_lost(stays: list[Stay], data: st.DataObject) -> None:
    coming = data.draw(arrivals(stays, may_lose=True))
    found = lived(stays, coming)
    if found.may_be_there:
        found = answered(found, stays, LATER_MS)
    heard_of = {event.session for _, event in coming if event is not None}
    if stays[-1].session in heard_of:
        assert shown(found) == truth(stays, LATER_MS)
    else:  # whoever is not known to be there cannot be asked about, unless an earlier visit was
        assert shown(found) in (truth(stays, LATER_MS), (False, None, frozenset()))


@given(histories(), st.data())
def test_what_was_lost_before_an_answer_is_not_missed_after_it(
    stays: list[Stay], data: st.DataObject
) -> None:
    stay = data.draw(st.sampled_from(stays))
    until_ms = stay.ended_ms or stay.began_ms + HOUR_MS
    asked_ms = data.draw(st.integers(stay.began_ms, until_ms - 1))
    before = [event for event in events_of(stays) if event.at_ms <= asked_ms]
    after = [event for event in events_of(stays) if event.at_ms > asked_ms]
    known = told(data.draw(st.permutations(before))[: data.draw(st.integers(0, len(before)))])
    asked = answered(known, stays, asked_ms)
    assert shown(asked) == truth(stays, asked_ms)
    late = [event for event in before if data.draw(st.booleans())]
    found = told(data.draw(st.permutations([*after, *late])), asked)
    assert shown(found) == truth(stays, LATER_MS)


CASES: dict[str, tuple[list[LifecycleEvent], tuple[float, set[str]] | None]] = {
    "nothing": ([], None),
    "connected": ([an_event("connected", "a", 0)], (0, set())),
    "subscribed before connected": (
        [an_event("subscribed", "a", 1, "public/a"), an_event("connected", "a", 0)],
        (0, {"public/a"}),
    ),
    "subscribed alone": ([an_event("subscribed", "a", 1, "public/a")], (1, {"public/a"})),
    "unsubscribed before subscribed": (
        [
            an_event("connected", "a", 0),
            an_event("unsubscribed", "a", 2, "public/a"),
            an_event("subscribed", "a", 1, "public/a", "public/b"),
        ],
        (0, {"public/b"}),
    ),
    "disconnected before connected": (
        [an_event("disconnected", "a", 9), an_event("connected", "a", 0)],
        None,
    ),
    "subscribed after disconnected": (
        [
            an_event("connected", "a", 0),
            an_event("disconnected", "a", 9),
            an_event("subscribed", "a", 1, "public/a"),
        ],
        None,
    ),
    "taken over, told too late": (
        [
            an_event("connected", "a", 0),
            an_event("connected", "b", 5, version=1),
            an_event("subscribed", "b", 6, "public/b"),
            an_event("disconnected", "a", 5),
            an_event("subscribed", "a", 1, "public/a"),
        ],
        (5, {"public/b"}),
    ),
    "versions begin again after an hour": (
        [
            an_event("connected", "a", 0, version=7),
            an_event("disconnected", "a", 60, version=7),
            an_event("connected", "b", 60 + 3_600),
        ],
        (3_660, set()),
    ),
    "a connection of a day, then the next": (
        [an_event("connected", "a", 0, version=7), an_event("connected", "b", 86_400, version=8)],
        (86_400, set()),
    ),
    "a lower version a while later is an older one, told late": (
        [an_event("connected", "b", 0, version=2), an_event("connected", "a", 100, version=1)],
        (0, set()),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    events, expected = CASES[name]
    presence = told(events).presence
    found = presence and ((presence.since_ms - BEGIN_MS) / SECOND_MS, set(presence.channels))
    assert found == expected


def test_an_end_that_its_clock_puts_before_the_answer_is_an_end() -> None:
    known = told([an_event("connected", "a", 0)])
    asked = confirm(known, Answer(BEGIN_MS + 60_000, BEGIN_MS, frozenset({"public/a"})))
    assert asked.presence is not None
    assert told([an_event("disconnected", "a", 59)], asked).presence is None


def test_another_connection_after_the_answer_does_not_inherit_its_channels() -> None:
    asked = confirm(NOBODY, Answer(BEGIN_MS + 60_000, BEGIN_MS, frozenset({"public/a"})))
    meanwhile = told([an_event("subscribed", "b", 70, "public/b")], asked)
    assert shown(meanwhile) == (True, BEGIN_MS, frozenset({"public/a", "public/b"}))
    found = told([an_event("connected", "b", 69, version=1)], meanwhile)
    assert shown(found) == (True, BEGIN_MS + 69_000, frozenset({"public/b"}))


def test_the_newest_answer_counts() -> None:
    asked = confirm(NOBODY, Answer(BEGIN_MS + 60_000, BEGIN_MS, frozenset({"public/a"})))
    assert (asked.may_be_there, shown(asked)[0]) == (True, True)
    again = confirm(asked, Answer(BEGIN_MS + 120_000, BEGIN_MS + 90_000, frozenset()))
    assert shown(again) == (True, BEGIN_MS + 90_000, frozenset())
    gone = miss(again, BEGIN_MS + 180_000)
    assert (gone.may_be_there, gone.presence) == (False, None)


def test_whoever_could_be_there_beside_one_that_has_ended_is_to_be_asked_about() -> None:
    unclear = told([an_event("subscribed", "b", 8, "public/b"), an_event("disconnected", "a", 9)])
    assert (unclear.presence, unclear.may_be_there) == (None, True)
    assert not told([an_event("connected", "b", 7, version=-1)], unclear).may_be_there
    assert told([an_event("connected", "b", 7, version=1)], unclear).presence is not None


def test_one_that_was_missing_is_there_again_once_it_shows_a_sign() -> None:
    known = miss(told([an_event("connected", "a", 0)]), BEGIN_MS + 60_000)
    assert (known.presence, known.may_be_there, known.has_left("a")) == (None, False, True)
    assert told([an_event("subscribed", "a", 1, "public/a")], known).presence is None
    found = told([an_event("subscribed", "a", 61, "public/a")], known)
    assert shown(found) == (True, BEGIN_MS, frozenset({"public/a"}))


@given(
    st.lists(
        st.builds(
            an_event,
            st.sampled_from(("connected", "disconnected", "subscribed", "unsubscribed")),
            st.sampled_from("abcd"),
            st.integers(0, 9_000),
            st.sampled_from(("public/a", "public/b")),
            version=st.integers(0, 3),
        )
    )
)
def test_what_cannot_have_happened_is_borne(events: list[LifecycleEvent]) -> None:
    found = told(events)
    heard_of = {event.session for event in events}
    assert {visit.session for visit in found.visits} | set(found.past) == heard_of
    assert bool(found.visits) == bool(events)


def test_the_newest_fifty_channels_count() -> None:
    one_each = [an_event("subscribed", "a", n, f"public/{n}") for n in range(MAX_CHANNELS + 9)]
    presence = told(one_each).presence
    assert presence is not None
    assert presence.channels == {f"public/{n}" for n in range(9, MAX_CHANNELS + 9)}


def test_what_is_kept_of_a_client_is_bounded() -> None:
    given_up = [an_event("unsubscribed", "a", n, f"public/{n}") for n in range(MAX_CHANGES + 9)]
    assert len(told(given_up).visits[0].changes) == MAX_CHANGES
    count = 2 * MAX_VISITS
    unclear = [an_event("subscribed", f"s{n}", n) for n in range(count)]
    found = told(unclear)
    assert (len(found.visits), len(found.past)) == (MAX_VISITS, MAX_VISITS)
    visits = [an_event("connected", f"s{n}", 2 * n, version=n) for n in range(count)]
    assert list(told(visits).past) == [f"s{n}" for n in range(MAX_VISITS - 1, count - 1)]


def test_a_client_that_has_gone_is_remembered_for_an_hour() -> None:
    there = observe(NOBODY, an_event("connected", "a", 0), BEGIN_MS)
    assert there.expires_at_ms == BEGIN_MS + 25 * HOUR_MS
    gone = observe(there, an_event("disconnected", "a", 60), BEGIN_MS + MINUTE_MS)
    assert gone.expires_at_ms == BEGIN_MS + MINUTE_MS + HOUR_MS
    assert gone.has_left("a")
    assert not there.has_left("a")
    back = observe(gone, an_event("connected", "b", 70, version=1), BEGIN_MS + 2 * MINUTE_MS)
    assert (back.has_left("a"), back.has_left("b")) == (True, False)
