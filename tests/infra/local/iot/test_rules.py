"""Topic rules hear what is published, lifecycle events as they are told, and never hold it up."""

import asyncio
import json
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bellwire_local.faults import read_faults
from bellwire_local.iam.policies import PolicyDocument
from bellwire_local.iot.messages import Message
from bellwire_local.iot.rules import RETRY_DELAYS_S, TopicRule, TopicRules
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import running_in_thread
from infra.local.conftest import DEADLINE_S, account_of

if TYPE_CHECKING:
    from infra.local.conftest import Aws

LIFECYCLE = "$aws/events/+/+/+"
Heard = queue.Queue[tuple[str, bytes]]


def listening(aws: "Aws", topic_filter: str) -> Heard:
    """Add a rule, in one thread so that what is heard keeps its order."""
    heard: Heard = queue.Queue()
    rule = TopicRule(topic_filter, lambda *told: heard.put(told), ThreadPoolExecutor(1))
    aws.running.call(lambda: aws.stand_in.add_rule(rule))
    return heard


def next_of(heard: Heard) -> tuple[str, Any]:
    topic, payload = heard.get(timeout=DEADLINE_S)
    return topic, json.loads(payload)


def test_a_rule_hears_the_life_of_a_client(aws_without_limits: "Aws") -> None:
    aws = aws_without_limits
    heard = listening(aws, LIFECYCLE)
    guest = aws.guest()
    client = aws.connect(guest)
    client.subscribe("dev/public/a")
    client.paho.unsubscribe("dev/public/a")
    client.close()
    told = [next_of(heard) for _ in range(4)]
    assert [topic for topic, _ in told] == [
        f"$aws/events/presence/connected/{guest.identity_id}",
        f"$aws/events/subscriptions/subscribed/{guest.identity_id}",
        f"$aws/events/subscriptions/unsubscribed/{guest.identity_id}",
        f"$aws/events/presence/disconnected/{guest.identity_id}",
    ]
    assert told[1][1]["topics"] == ["dev/public/a"]
    assert {event["clientId"] for _, event in told} == {guest.identity_id}


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ("lifecycle_double=1", ["first", "first", "second", "second"]),
        ("lifecycle_swap=1", ["second", "first"]),
    ],
)
def test_a_rule_hears_events_twice_or_swapped(
    aws_without_limits: "Aws", faults: str, expected: list[str]
) -> None:
    aws, broker = aws_without_limits, aws_without_limits.stand_in.broker
    heard = listening(aws, LIFECYCLE)
    found = read_faults(faults, fresh_seed=7)
    aws.running.call(lambda: aws.stand_in.faults.set(found))

    def announce() -> None:
        for name in ("first", "second"):
            broker.announcer(Message(f"$aws/events/presence/connected/{name}", b"{}"))

    aws.running.call(announce)
    topics = [heard.get(timeout=DEADLINE_S)[0] for _ in expected]
    assert [topic.rpartition("/")[2] for topic in topics] == expected


def test_a_rule_on_topics_hears_messages_and_no_events(aws_without_limits: "Aws") -> None:
    aws = aws_without_limits
    exact, everything = listening(aws, "dev/public/a"), listening(aws, "#")
    aws.connect(aws.guest())
    job = aws.iot_data(aws.role("publisher_role"))
    job.publish(topic="dev/public/b", payload=b"\xff")
    job.publish(topic="dev/public/a", payload=b"2")
    assert exact.get(timeout=DEADLINE_S) == ("dev/public/a", b"2")
    assert everything.get(timeout=DEADLINE_S) == ("dev/public/b", b"\xff")
    assert everything.get(timeout=DEADLINE_S) == ("dev/public/a", b"2")


def test_an_action_that_does_not_return_holds_up_nobody(aws_without_limits: "Aws") -> None:
    aws = aws_without_limits
    released = threading.Event()
    begun: Heard = queue.Queue()

    def stay(topic: str, payload: bytes) -> None:
        begun.put((topic, payload))
        assert released.wait(DEADLINE_S)

    aws.running.call(lambda: aws.stand_in.add_rule(TopicRule("dev/public/a", stay)))
    listener = aws.connect(aws.guest())
    listener.subscribe("dev/public/a")
    job = aws.iot_data(aws.role("publisher_role"))
    for payload in (b"1", b"2"):
        job.publish(topic="dev/public/a", payload=payload)
        assert listener.next_message() == ("dev/public/a", payload)
    assert begun.get(timeout=DEADLINE_S) == ("dev/public/a", b"1")
    released.set()


async def invoked(action: Callable[[str, bytes], object], *, retry_delays_s: Any) -> None:
    rules = TopicRules()
    rules.add(TopicRule("a", action, retry_delays_s=retry_delays_s))
    rules(Message("a", b"x"))
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
    await rules.close()


@pytest.mark.parametrize(("failures", "calls"), [(0, 1), (1, 2), (2, 3), (3, 3)])
def test_an_action_that_fails_is_repeated_twice(
    failures: int, calls: int, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[tuple[str, bytes]] = []

    def fail(*told: Any) -> None:
        called.append(told)
        if len(called) <= failures:
            raise RuntimeError("not now")

    asyncio.run(invoked(fail, retry_delays_s=(0, 0)))
    assert called == [("a", b"x")] * calls
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING] * min(failures, 2) + [logging.ERROR] * (failures > 2)


def test_the_tries_are_as_far_apart_as_lambdas() -> None:
    assert RETRY_DELAYS_S == (60, 120)


def test_a_stop_waits_for_no_other_try(tmp_path: Path, roles: dict[str, PolicyDocument]) -> None:
    settings = StandInSettings(tmp_path, accounts=account_of(roles), iot_port=0, aws_port=0)
    failed = threading.Event()

    def fail(_topic: str, _payload: bytes) -> None:
        failed.set()
        raise RuntimeError("not now")

    with running_in_thread(StandIn(settings)) as running:
        stand_in = running.stand_in
        running.call(lambda: stand_in.add_rule(TopicRule("a", fail)))
        running.call(lambda: stand_in.broker.publish(Message("a", b"x")))
        assert failed.wait(DEADLINE_S)


def test_a_filter_that_is_none_is_refused(tmp_path: Path) -> None:
    stand_in = StandIn(StandInSettings(tmp_path))
    with pytest.raises(ValueError, match=r"topic filter 'a/#/b' of a rule: '#' must be"):
        stand_in.add_rule(TopicRule("a/#/b", print))
    assert stand_in.broker.on_publish is None
