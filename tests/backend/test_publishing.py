"""Publishing: numbers first, push second, errors in their places."""

from typing import Any

from backend.doubles import KeepingBroker
from bellwire.errors import BadChannel, BellwireError, Conflict, Malformed, TooLarge, Upstream
from bellwire.fanout import InlineFanOut, PushableLog
from bellwire.publications import Publication, Published, decode_publication
from bellwire.publishing import publish
from bellwire.updates import ORIGIN, Draft


def event(channel: str, data: Any, draft_id: str | None = None) -> Publication:
    return Publication(channel, Draft("event", data=data, id=draft_id))


def places(results: list[Published | BellwireError]) -> list[Any]:
    return [
        (r.channel, r.seq, r.duplicate) if isinstance(r, Published) else type(r) for r in results
    ]


def test_results_stand_in_the_order_of_the_request(log: PushableLog) -> None:
    broker = KeepingBroker()
    results = publish(
        [event("public/a", 1), event("public/b", 2), event("public/a", 3)],
        log=log,
        fan_out=InlineFanOut(log, broker, "dev"),
    )
    assert places(results) == [
        ("public/a", 1, False),
        ("public/b", 1, False),
        ("public/a", 2, False),
    ]
    assert [topic for topic, _ in broker.sent] == ["dev/public/a", "dev/public/b"]
    assert [(e.after, e.last, [u.data for u in e.updates]) for e in broker.envelopes()] == [
        (0, 2, [1, 3]),
        (0, 1, [2]),
    ]


def test_after_a_channels_first_failure_the_rest_of_it_fails_and_no_other(log: PushableLog) -> None:
    results = publish(
        [
            event("public/a", 1),
            event("public/a", "x" * 102_400),
            event("public/b", 1),
            event("public/a", 3),
            event("nowhere", 1),
            decode_publication({"channel": "public/c", "op": "event"}),
            decode_publication({"channel": "public/c", "op": "event", "data": 1}),
        ],
        log=log,
        fan_out=InlineFanOut(log, KeepingBroker(), "dev"),
    )
    assert places(results) == [
        ("public/a", 1, False),
        TooLarge,
        ("public/b", 1, False),
        Conflict,
        BadChannel,
        Malformed,
        Conflict,
    ]
    assert log.tail("public/a").seq == 1
    assert log.tail("public/c") == ORIGIN


def test_a_broker_that_is_down_does_not_fail_a_publish(log: PushableLog) -> None:
    results = publish(
        [event("public/a", 1)],
        log=log,
        fan_out=InlineFanOut(log, KeepingBroker(is_down=True), "dev"),
    )
    assert places(results) == [("public/a", 1, False)]
    assert log.tail("public/a").seq == 1


def test_a_duplicate_is_pushed_again_under_its_first_number(log: PushableLog) -> None:
    broker = KeepingBroker()
    publish([event("public/a", "first", "id1")], log=log, fan_out=InlineFanOut(log, broker, "dev"))
    publish([event("public/a", "between")], log=log, fan_out=InlineFanOut(log, broker, "dev"))
    broker.sent.clear()
    results = publish(
        [event("public/a", "changed", "id1"), event("public/a", "new")],
        log=log,
        fan_out=InlineFanOut(log, broker, "dev"),
    )
    assert places(results) == [("public/a", 1, True), ("public/a", 3, False)]
    assert [(e.after, [u.data for u in e.updates]) for e in broker.envelopes()] == [
        (2, ["new"]),
        (0, ["first"]),
    ]


def test_a_push_is_conflated_and_fits_the_payload(log: PushableLog) -> None:
    broker = KeepingBroker()
    drafts = [Draft("set", "k", n) for n in range(40)]
    drafts += [Draft("event", data="x" * 60_000) for _ in range(3)]
    publish(
        [Publication("public/a", d) for d in drafts],
        log=log,
        fan_out=InlineFanOut(log, broker, "dev"),
    )
    assert [(e.after, e.last, len(e.updates)) for e in broker.envelopes()] == [
        (0, 42, 3),
        (42, 43, 1),
    ]
    assert all(len(payload) <= 131_072 for _, payload in broker.sent)


def test_more_than_one_append_holds_are_numbered_in_order(log: PushableLog) -> None:
    results = publish(
        [event("public/a", n) for n in range(100)],
        log=log,
        fan_out=InlineFanOut(log, KeepingBroker(), "dev"),
    )
    assert places(results) == [("public/a", n, False) for n in range(1, 101)]


def test_a_log_that_is_down_fails_the_channel_in_place() -> None:
    class Down:
        def __getattr__(self, name: str) -> Any:
            raise Upstream("the log is down")

    broken: Any = Down()
    results = publish(
        [event("public/a", 1), event("public/a", 2)],
        log=broken,
        fan_out=InlineFanOut(broken, KeepingBroker(), "dev"),
    )
    assert places(results) == [Upstream, Upstream]
