"""Updates by every road, and who receives them: by push and by polls."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final
from uuid import uuid4

from botocore.credentials import Credentials

from bellwire.aws.own_credentials import Signer
from bellwire.errors import BellwireError
from bellwire.publisher import HttpOutlet, Publisher
from bellwire.subscriber import Subscriber
from bellwire.told import Told
from rehearsal.emulator import REGION
from rehearsal.stack import Stack

WITHIN_S: Final = 120
TRIES: Final = 20

Road = Callable[[str, Any], None]


class Roads:
    """The ways by which jobs publish, each repeated by the sender until it is accepted."""

    def __init__(self, stack: Stack) -> None:
        emulator, outputs = stack.emulator, stack.outputs
        self._sqs, self._events = emulator.client("sqs"), emulator.client("events")
        self._lambda, self._outputs = emulator.client("lambda"), outputs
        self.publisher = Publisher(HttpOutlet(stack.api_url, _signer_of(stack)))
        self._events_function = stack.function("events")
        self.all: Mapping[str, Road] = {
            "http": self.by_http,
            "queue": self.by_queue,
            "fifo": self.by_fifo,
            "bus": self.by_bus,
            "invoke": self.by_invoke,
        }
        # MiniStack's bus calls once, AWS's as Lambda is called asynchronously: up to three times.
        self.repeated: Mapping[str, Road] = {**self.all, "bus": self.as_the_bus}

    def by_http(self, channel: str, data: Any) -> None:
        """Publish over HTTP, signed by the publisher's role."""
        self.publisher.event(channel, data)

    def as_the_bus(self, channel: str, data: Any) -> None:
        """Call the function as EventBridge does on AWS."""
        event = {
            "id": str(uuid4()),
            "detail-type": "Bellwire Updates",
            "source": "rehearsal",
            "detail": _update(channel, data),
        }
        self._lambda.invoke(
            FunctionName=self._events_function,
            InvocationType="Event",
            Payload=json.dumps(event).encode(),
        )

    def by_queue(self, channel: str, data: Any) -> None:
        """Send a job to the standard queue."""
        body = json.dumps(_update(channel, data))
        self._sqs.send_message(QueueUrl=self._outputs["JobsQueueUrl"], MessageBody=body)

    def by_fifo(self, channel: str, data: Any) -> None:
        """Send a job to the FIFO queue, in the channel's group."""
        self._sqs.send_message(
            QueueUrl=self._outputs["JobsFifoQueueUrl"],
            MessageBody=json.dumps(_update(channel, data)),
            MessageGroupId=channel.replace("/", "-"),
            MessageDeduplicationId=str(data),
        )

    def by_bus(self, channel: str, data: Any) -> None:
        """Put an event on the bus."""
        entry = {
            "EventBusName": self._outputs["EventBusName"],
            "Source": "rehearsal",
            "DetailType": "Bellwire Updates",
            "Detail": json.dumps(_update(channel, data)),
        }
        self._events.put_events(Entries=[entry])

    def by_invoke(self, channel: str, data: Any) -> None:
        """Call the function, again if it fails; the id makes that safe."""
        payload = json.dumps({**_update(channel, data), "id": uuid4().hex}).encode()
        for _ in range(TRIES):
            answer = self._lambda.invoke(
                FunctionName=self._outputs["InvokeFunctionName"], Payload=payload
            )
            if "FunctionError" not in answer:
                return
        raise AssertionError(f"the function failed {TRIES} times: {answer['Payload'].read()!r}")


@dataclass
class Receiver:
    """Somebody who follows channels, and what they were told of each: (seq, data)."""

    name: str
    told: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    resets: int = 0

    def note(self, one: Told) -> None:
        """Take one in."""
        if one.update is None:
            self.resets += 1
        else:
            self.told.setdefault(one.channel, []).append((one.update.seq, one.update.data))

    def count(self) -> int:
        """Count what was told."""
        return sum(map(len, self.told.values()))

    def missing(self, sent: Mapping[str, Sequence[Any]]) -> list[Any]:
        """Name what was sent and not told."""
        told = {channel: {data for _, data in ones} for channel, ones in self.told.items()}
        return [
            one
            for channel, ones in sent.items()
            for one in ones
            if one not in told.get(channel, ())
        ]

    def faults(self, sent: Mapping[str, Sequence[Any]]) -> tuple[int, int, int]:
        """Count what is missing, what came twice, and what came out of order."""
        doubled = disordered = 0
        for channel in sent:
            told = self.told.get(channel, [])
            values = [data for _, data in told]
            numbers = [seq for seq, _ in told]
            doubled += len(values) - len(set(values))
            disordered += sum(a >= b for a, b in pairwise(numbers))
        return len(self.missing(sent)), doubled, disordered


def follow(
    url: str, channels: Iterable[str], receiver: Receiver, *, is_poll_only: bool
) -> Subscriber:
    """Have a guest follow channels from their beginning, in a thread, until it is closed."""
    subscriber = Subscriber(url)
    told = subscriber.follow(channels, rewind=100, is_poll_only=is_poll_only)

    def run() -> None:
        for one in told:
            receiver.note(one)

    threading.Thread(target=run, name=receiver.name, daemon=True).start()
    return subscriber


def send(
    roads: Mapping[str, Road], channels: Sequence[str], *, rate: float, seconds: float
) -> dict[str, list[str]]:
    """Send updates at a rate in total, each channel by one road, and tell what was sent."""
    names = sorted(roads)
    road_of = {channel: names[at % len(names)] for at, channel in enumerate(channels)}
    sent: dict[str, list[str]] = {channel: [] for channel in channels}
    mark = uuid4().hex[:8]  # a FIFO queue takes the same message once in five minutes
    began, count = time.monotonic(), 0
    while count < rate * seconds:
        channel = random.choice(channels)
        data = f"{road_of[channel]}-{mark}-{count}"
        roads[road_of[channel]](channel, data)
        sent[channel].append(data)
        count += 1
        time.sleep(max(0.0, began + count / rate - time.monotonic()))
    return sent


def wait_for(is_so: Callable[[], bool], within_s: float = WITHIN_S) -> bool:
    """Wait until something is so; tell whether it came to be."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if is_so():
                return True
        except BellwireError:
            pass
        time.sleep(0.1)
    return False


def _signer_of(stack: Stack) -> Signer:
    """Assume the role of publishers."""
    given = stack.emulator.client("sts").assume_role(
        RoleArn=stack.outputs["PublisherRoleArn"], RoleSessionName="rehearsal"
    )["Credentials"]
    keys = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    return Signer(stack.api_url, REGION, keys)


def _update(channel: str, data: Any) -> dict[str, Any]:
    return {"channel": channel, "op": "event", "data": data}
