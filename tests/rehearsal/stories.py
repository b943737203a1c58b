"""Stories: something goes wrong in the stack, and what everybody sees of it."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from bellwire.errors import NotAllowed
from bellwire.subscriber import Subscriber
from rehearsal.cloud import CloudSwitch
from rehearsal.stack import Stack
from rehearsal.traffic import Receiver, Roads, follow, send, wait_for
from rehearsal.weather import Weather

SOON_S: Final = 20.0


@dataclass
class Stage:
    """What a story is played on; `counts` are summed up over all of them."""

    stack: Stack
    cloud: CloudSwitch
    weather: Weather
    redeploy: Callable[[Mapping[str, str]], None]
    poisons: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("sent", "received", "polled", "lost", "doubled"), 0)
    )

    @property
    def roads(self) -> Roads:
        """The ways by which jobs publish."""
        return Roads(self.stack)

    def letters(self) -> list[dict[str, Any]]:
        """Look at the dead letters, and leave them there."""
        return [json.loads(one["Body"]) for one in self._waiting().values()]

    def clear_poison(self) -> None:
        """Take away the letters of what was poisoned on purpose: it can never be done.

        There may be several of one: a message that is slow to be done is delivered again.
        """
        url = self.stack.outputs["DeadLettersQueueUrl"]
        while batch := self._sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=5
        ).get("Messages"):
            for one in batch:
                if any(poison in one["Body"] for poison in self.poisons):
                    self._sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])

    @property
    def _sqs(self) -> Any:
        return self.stack.emulator.client("sqs")

    def _waiting(self) -> dict[str, Any]:
        url, found = self.stack.outputs["DeadLettersQueueUrl"], dict[str, Any]()
        while batch := self._sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0
        ).get("Messages"):
            fresh_ones = {one["MessageId"]: one for one in batch}
            if set(fresh_ones) <= set(found):
                break
            found |= fresh_ones
        return found

    def dead_letters(self) -> int:
        """Count what lies in all queues of dead letters."""
        sqs, count = self.stack.emulator.client("sqs"), 0
        for name in ("dead-letters", "jobs-dead-letters", "jobs-dead-letters.fifo"):
            url = self.stack.outputs["DeadLettersQueueUrl"].replace("dead-letters", name)
            held = sqs.get_queue_attributes(
                QueueUrl=url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )["Attributes"]
            count += sum(map(int, held.values()))
        return count

    def redrive(self) -> dict[str, int]:
        """Call the function that does dead letters again."""
        answer = self.stack.emulator.client("lambda").invoke(
            FunctionName=self.stack.outputs["RedriveFunctionName"], Payload=b"{}"
        )
        done: dict[str, int] = json.loads(answer["Payload"].read())
        print(f"rehearsal: redrive answers {done}", flush=True)
        return done


@contextmanager
def audience(stage: Stage, channels: list[str]) -> Iterator[tuple[Receiver, Receiver]]:
    """Have one guest follow by push and one by polls."""
    push, poll = Receiver("push"), Receiver("poll")
    url = stage.stack.api_url
    followers = [
        follow(url, channels, push, is_poll_only=False),
        follow(url, channels, poll, is_poll_only=True),
    ]
    try:
        yield push, poll
    finally:
        for one in followers:
            one.close()


def fresh(name: str) -> str:
    """Name a channel that nobody else uses."""
    return f"public/{name}-{uuid4().hex[:8]}"


def traffic(stage: Stage, *, seconds: float, crash: float = 0.05) -> bool:
    """20 updates a second over 50 channels while functions crash: all of them, once, in order."""
    channels = [fresh("traffic") for _ in range(50)]
    with audience(stage, channels) as (push, poll):
        with stage.weather.of(crash=crash):
            sent = send(stage.roads.repeated, channels, rate=20, seconds=seconds)
            count = sum(map(len, sent.values()))
            wait_for(lambda: min(push.count(), poll.count()) >= count)
        wait_for(lambda: min(push.count(), poll.count()) >= count, 30)
        return _sum_up(stage, sent, push, poll)


def poisoned_job(stage: Stage) -> bool:
    """What nobody can read delays nothing else and lies among the dead letters."""
    channel, poison = fresh("poison"), f"poison {uuid4().hex}"
    stage.poisons.append(poison)
    with audience(stage, [channel]) as (push, poll):
        url = stage.stack.outputs["JobsQueueUrl"]
        stage.stack.emulator.client("sqs").send_message(QueueUrl=url, MessageBody=poison)
        stage.roads.as_the_bus(f"no channel {poison}", 1)
        stage.roads.by_queue(channel, "good")
        stage.roads.by_bus(channel, "good as well")
        is_through = wait_for(lambda: push.count() == poll.count() == 2, SOON_S)
        is_kept = wait_for(
            lambda: sum(poison in json.dumps(one) for one in stage.letters()) >= 2, SOON_S
        )
    return is_through and is_kept


def broken_job_redriven(stage: Stage) -> bool:
    """What a fault of the code gave up is done when it has been mended and is redriven."""
    channel = fresh("broken")
    with audience(stage, [channel]) as (push, poll):
        with stage.weather.of(broken=["dynamodb"], only="-jobs"):
            stage.roads.by_queue(channel, "late")
            is_kept = wait_for(lambda: _is_named(stage, channel), SOON_S)
        stage.redrive()
        is_through = wait_for(lambda: push.count() == poll.count() == 1, SOON_S)
    return is_kept and is_through and not _is_named(stage, channel)


def poisoned_stream_record(stage: Stage) -> bool:
    """A doorbell that breaks the code is a dead letter; pollers see the update as always."""
    channel = fresh("bell")
    with audience(stage, [channel]) as (push, poll):
        with stage.weather.of(broken=["iot-data"], only="-doorbells"):
            stage.roads.by_queue(channel, "unpushed")
            is_polled = wait_for(lambda: poll.count() == 1, SOON_S)
            is_kept = wait_for(lambda: _is_named(stage, channel), SOON_S)
        stage.redrive()
        is_pushed = wait_for(lambda: push.count() == 1, 2 * SOON_S)
    return is_polled and is_kept and is_pushed and not _is_named(stage, channel)


def _is_named(stage: Stage, channel: str) -> bool:
    """Tell whether a dead letter is about a channel."""
    return any(channel in json.dumps(one) for one in stage.letters())


def throttled_table(stage: Stage) -> bool:
    """DynamoDB refuses everything for some seconds: all is done afterwards, and once."""
    channels = [fresh("throttled") for _ in range(5)]
    roads = {name: road for name, road in stage.roads.all.items() if name in ("queue", "fifo")}
    with audience(stage, channels) as (push, poll):
        with stage.weather.of(refused=["dynamodb"], only="-jobs"):
            sent = send(roads, channels, rate=5, seconds=4)
        count = sum(map(len, sent.values()))
        wait_for(lambda: min(push.count(), poll.count()) >= count, 2 * SOON_S)
        return _sum_up(stage, sent, push, poll)


def iot_down(stage: Stage, *, seconds: float) -> bool:
    """AWS IoT is away: pollers get everything at once, subscribers when it is back."""
    channel = fresh("down")
    with audience(stage, [channel]) as (push, poll):
        stage.roads.by_invoke(channel, "before")
        wait_for(lambda: push.count() == 1, SOON_S)
        with stage.cloud.off():
            for at in range(5):
                stage.roads.by_invoke(channel, f"meanwhile-{at}")
            is_polled = wait_for(lambda: poll.count() == 6, SOON_S)
            time.sleep(seconds)
        stage.roads.by_invoke(channel, "after")
        wait_for(lambda: min(push.count(), poll.count()) >= 7, 3 * SOON_S)
        sent = {channel: ["before", *(f"meanwhile-{at}" for at in range(5)), "after"]}
        return _sum_up(stage, sent, push, poll) and is_polled


def deploy_meanwhile(stage: Stage) -> bool:
    """A deployment in the middle of traffic loses and doubles nothing."""
    channels = [fresh("deploy") for _ in range(5)]
    with audience(stage, channels) as (push, poll):
        deployment = threading.Thread(target=stage.redeploy, args=({"PollAfterMs": "1000"},))
        deployment.start()
        sent = send(stage.roads.repeated, channels, rate=5, seconds=15)
        deployment.join()
        for channel, values in send(stage.roads.repeated, channels, rate=5, seconds=2).items():
            sent[channel] += values
        count = sum(map(len, sent.values()))
        wait_for(lambda: min(push.count(), poll.count()) >= count, 2 * SOON_S)
        return _sum_up(stage, sent, push, poll)


def presence(stage: Stage, log_in: Callable[[str, str], str]) -> bool:
    """A member is told what is published in a room, and seen there. (The doctor kicks.)

    Their groups change at the next login.
    """
    user, group = f"user-{uuid4().hex[:6]}", f"g{uuid4().hex[:6]}"
    room = f"group/{group}/room"
    with Subscriber(stage.stack.api_url, log_in(user, group)) as member:
        seen = Receiver("member")
        told = member.follow([room], rewind=1)
        threading.Thread(target=lambda: _drain(told, seen), daemon=True).start()
        stage.roads.by_invoke(room, "hello")
        is_told = wait_for(lambda: seen.count() == 1, SOON_S)
        is_seen = wait_for(lambda: [one.user for one in member.presence(room)] == [user], SOON_S)
    with Subscriber(stage.stack.api_url, log_in(user, f"{group}-another")) as member:
        has_another = member.identity().groups == (f"{group}-another",)
    return is_told and is_seen and has_another


def narrowed(stage: Stage, log_in: Callable[[str, str], str]) -> bool:
    """A session of one room reads there, is told who else does, and reads nowhere else."""
    user, group = f"user-{uuid4().hex[:6]}", f"g{uuid4().hex[:6]}"
    room, other = f"group/{group}/room", f"group/{group}/other"
    address = stage.roads.publisher.user(user).identity_id
    with Subscriber(stage.stack.api_url, log_in(user, group), channels=[room]) as reader:
        seen = Receiver("narrowed")
        told = reader.follow([room], rewind=1)
        threading.Thread(target=lambda: _drain(told, seen), daemon=True).start()
        stage.roads.publisher.set(room, "greeting", "hello")
        is_told = wait_for(lambda: seen.count() == 1, SOON_S)
        is_whole = reader.identity().identity_id == address and reader.presence(room) is not None
        try:
            next(reader.follow([other], rewind=1, is_poll_only=True))
        except NotAllowed:
            return is_told and is_whole
    return False


def _drain(told: Any, receiver: Receiver) -> None:
    for one in told:
        receiver.note(one)


def _sum_up(stage: Stage, sent: Mapping[str, list[str]], push: Receiver, poll: Receiver) -> bool:
    total = sum(len(set(values)) for values in sent.values())
    lost, doubled, disordered = (
        a + b for a, b in zip(push.faults(sent), poll.faults(sent), strict=True)
    )
    stage.counts["sent"] += total
    stage.counts["received"] += push.count()
    stage.counts["polled"] += poll.count()
    stage.counts["lost"] += lost
    stage.counts["doubled"] += doubled
    for one in (push, poll):
        if any(one.faults(sent)) or one.resets:
            _, twice, mixed = one.faults(sent)
            print(
                f"rehearsal: by {one.name}: lost {one.missing(sent)}, doubled {twice},"
                f" out of order {mixed}, resets {one.resets}",
                flush=True,
            )
    return (lost, doubled, disordered, push.resets, poll.resets) == (0, 0, 0, 0, 0)
