"""What is poisoned, or fails for a while, delays nothing but itself: measured by the model's clock.

Nothing takes time in the model but waiting, so what is not held up is done the moment it comes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.failures.arrivals import (
    Arrival,
    Feed,
    check_all_pushed,
    check_at_rest,
    found_in_log,
    letters_of,
    redrive_until_done,
)
from backend.failures.deployed import Deployed, Weather
from bellwire.updates import Draft
from infra.aws.event_sources import Killed

A, B = "public/a", "public/b"


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path / "log.db", Weather(), is_patient=True)
    yield deployed
    deployed.close()


def delays_s(deployed: Deployed, began_s: float, channel: str, every_s: float) -> list[float]:
    """Tell how long after its arrival each update of a channel was logged."""
    return [
        round(update.at_ms / 1000 - began_s - every_s * int(str(update.data).split("-")[1][:-2]), 3)
        for update in deployed.logged(channel)
    ]


@pytest.mark.parametrize("source", ["jobs", "fifo", "bus", "table", "clicks"])
@pytest.mark.parametrize("what", ["bug", "garbage"])
def test_poison_delays_nothing(deployed: Deployed, source: str, what: str) -> None:
    began_s = deployed.world.now_s
    kinds = ["good", what, "good", "good", what, "good"]
    Feed(deployed, [Arrival(source, A, kind, 0.5 if n else 0) for n, kind in enumerate(kinds)])
    deployed.world.run()
    assert delays_s(deployed, began_s, A, 0.5) == [0, 0, 0, 0, 0, 0]  # four, two of them of two
    assert len(letters_of(deployed)) == 2
    check_at_rest(deployed)


@pytest.mark.parametrize("source", ["jobs", "fifo", "bus", "table", "clicks"])
def test_poison_in_one_batch_with_others_delays_nothing(deployed: Deployed, source: str) -> None:
    began_s = deployed.world.now_s
    Feed(deployed, [Arrival(source, A, kind, 0) for kind in ("good", "garbage", "good", "good")])
    deployed.world.run()
    assert delays_s(deployed, began_s, A, 0) == [0, 0, 0, 0]
    assert len(letters_of(deployed)) == 1


@pytest.mark.parametrize("source", ["jobs", "fifo", "bus"])
def test_a_channel_whose_log_fails_delays_no_other(deployed: Deployed, source: str) -> None:
    began_s = deployed.world.now_s
    deployed.log.down = lambda channel: channel == A and deployed.world.now_s < began_s + 30
    Feed(deployed, [Arrival(source, channel, "good", 0) for channel in (A, B, A, B, A, B)])
    deployed.world.run()
    assert delays_s(deployed, began_s, B, 0) == [0] * 6
    assert delays_s(deployed, began_s, A, 0) == [60] * 3  # the visibility; Lambda's first wait
    assert not letters_of(deployed)
    check_at_rest(deployed)


def test_a_message_that_names_several_channels_publishes_those_that_work(
    deployed: Deployed,
) -> None:
    began_s = deployed.world.now_s
    deployed.log.down = lambda channel: channel == A and deployed.world.now_s < began_s + 30
    updates = [
        f'{{"channel":"{channel}","op":"event","data":"good-0.{n}"}}'
        for n, channel in enumerate((A, B, A))
    ]
    deployed.fifo.send(f'{{"updates":[{",".join(updates)}]}}', group="both")
    deployed.world.run()
    assert found_in_log(deployed, B) == ["good-0.1"]
    assert found_in_log(deployed, A) == ["good-0.0", "good-0.2"]
    assert delays_s(deployed, began_s, B, 0) == [0]


def append(deployed: Deployed, *channels: str) -> None:
    for channel in channels:
        deployed.log.append(channel, [Draft("event", data="x")])


def pushed_after_s(deployed: Deployed, channel: str, began_s: float) -> list[float]:
    return [at - began_s for at, envelope in deployed.broker.sent if envelope.channel == channel]


def test_a_channel_whose_pushes_fail_for_a_minute_delays_no_other(deployed: Deployed) -> None:
    began_s = deployed.world.now_s
    deployed.broker.down_until_s[A] = began_s + 60
    append(deployed, A, B, A, "public/c")
    deployed.world.run(for_s=1)
    append(deployed, B)
    deployed.world.run()
    assert pushed_after_s(deployed, B, began_s) == [0, 1]
    assert pushed_after_s(deployed, "public/c", began_s) == [0]
    assert pushed_after_s(deployed, A, began_s) == [65]  # put aside for 5 s, then for 60
    assert (deployed.doorbells.calls, deployed.polled["retries"].calls) == (2, 2)
    assert not letters_of(deployed)
    check_all_pushed(deployed)
    check_at_rest(deployed)


def test_a_channel_that_breaks_the_code_delays_no_other_and_is_replayed(
    deployed: Deployed,
) -> None:
    began_s = deployed.world.now_s
    deployed.broker.mad.add(A)
    append(deployed, A, B, "public/c")
    deployed.world.run()
    assert pushed_after_s(deployed, B, began_s) == [0]
    assert pushed_after_s(deployed, "public/c", began_s) == [0]
    assert deployed.doorbells.calls == 1
    record = deployed.doorbells.records[0][1]
    assert letters_of(deployed) == {("doorbells", record["eventID"])}
    assert deployed.redrive() == {"replayed": 0, "failed": 1, "left": 1}
    deployed.broker.mad.clear()
    assert deployed.redrive() == {"replayed": 1, "failed": 0, "left": 0}
    check_all_pushed(deployed)


def test_a_channel_that_fails_for_too_long_lies_among_the_dead_letters(deployed: Deployed) -> None:
    deployed.broker.down_until_s[A] = deployed.world.now_s + 86_400
    append(deployed, A)
    deployed.world.run()
    assert deployed.polled["retries"].calls == 20
    assert len(letters_of(deployed)) == 1
    deployed.world.now_s += 86_400
    redrive_until_done(deployed)
    check_all_pushed(deployed)
    assert not letters_of(deployed)


def test_a_channel_that_kills_the_function_is_cut_out_of_its_batch(tmp_path: Path) -> None:
    deployed = Deployed(tmp_path / "log.db", Weather(), is_patient=False)
    began_s = deployed.world.now_s
    deployed.broker.mad.add(A)
    publish = deployed.broker.publish

    def kill(topic: str, payload: bytes) -> None:
        try:
            publish(topic, payload)
        except ZeroDivisionError:
            raise Killed from None

    deployed.broker.publish = kill  # type: ignore[method-assign]  # as no error of Python's would be
    append(deployed, B, A, "public/c")
    deployed.world.run()
    assert pushed_after_s(deployed, B, began_s)[0] == 0
    assert pushed_after_s(deployed, "public/c", began_s)[0] < 10
    assert "DDBStreamBatchInfo" in deployed.letters()[0]
    deployed.broker.mad.clear()
    assert deployed.redrive() == {"replayed": 1, "failed": 0, "left": 0}
    check_all_pushed(deployed)
    deployed.close()


def test_what_sqs_itself_moved_is_replayed(tmp_path: Path) -> None:
    deployed = Deployed(tmp_path / "log.db", Weather(), is_patient=False)
    deployed.log.down = lambda _: True
    Feed(deployed, [Arrival(source, A, "good", 0) for source in ("jobs", "fifo", "fifo", "bus")])
    deployed.world.run()
    assert not found_in_log(deployed, A)
    assert len(deployed.letters()) == 4
    deployed.log.down = lambda _: False
    assert deployed.redrive() == {"replayed": 4, "failed": 0, "left": 0}
    logged = found_in_log(deployed, A)
    assert sorted(logged) == [
        "good-0.0",
        "good-1.0",
        "good-1.1",
        "good-2.0",
        "good-3.0",
        "good-3.1",
    ]
    assert logged.index("good-1.1") < logged.index("good-2.0")
    deployed.close()


def test_a_batch_that_lambda_gave_up_is_replayed_from_the_stream(tmp_path: Path) -> None:
    deployed = Deployed(tmp_path / "log.db", Weather(), is_patient=False)
    deployed.log.down = lambda _: True
    kinds = ("good", "garbage", "good", "bug", "good")
    Feed(
        deployed, [Arrival(source, A, kind, 0) for source in ("table", "clicks") for kind in kinds]
    )
    deployed.world.run()
    assert not found_in_log(deployed, A)
    assert all("BatchInfo" in letter for letter in deployed.letters())
    deployed.log.down = lambda _: False
    redrive_until_done(deployed)
    assert len(found_in_log(deployed, A)) == 9  # three of one update, three of two
    assert len(letters_of(deployed)) == 4  # each record of its own that cannot be published yet
    deployed.log.is_broken = False
    redrive_until_done(deployed)
    assert len(letters_of(deployed)) == 2
    deployed.close()


def test_a_letter_that_was_sent_meanwhile_waits_for_the_next_time(deployed: Deployed) -> None:
    deployed.dead.send('{"function":"jobs","requestPayload":{}}')
    deployed.dead.messages[0].sent_s += 5
    assert deployed.redrive() == {"replayed": 0, "failed": 0, "left": 1}
