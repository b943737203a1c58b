"""The load: many subscribers and one publisher in a process of their own.

`python -m benchmarks.fanout_load` reads a `Load` as JSON from standard input, drives it and prints
a `Reading`. Every byte that every subscriber receives is compared with what was published: a
server that loses, reorders or changes anything fails the run.
"""

import asyncio
import json
import sys
from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Protocol, cast

import psutil
import uvloop
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.figures import percentile
from mqtt_bytes import connect, publish, split, subscribe

CONNECTING_AT_ONCE = 20
READY_WITHIN_S = 60
IDLE_WITHIN_S = 60
IDLE_LOOK_S = 0.5
IDLE_PERCENT = 3


@dataclass(frozen=True)
class Load:
    """What to do to which server.

    `rate_per_s` 0 is as fast as it goes, with `window` messages on their way at most. In the
    `raw` form there is neither WebSocket nor MQTT: what is sent is what is to arrive.
    """

    server_pid: int
    host: str
    port: int
    subscriber_path: str
    publisher_path: str
    subscriber_ids: str
    publisher_id: str
    topic: str
    subscribers: int
    messages: int
    payload_bytes: int
    rate_per_s: float
    window: int
    is_raw: bool
    within_s: float


@dataclass(frozen=True)
class Reading:
    """What came of it. CPU time is the server's, from the first message to the last delivery."""

    delivered: int
    seconds: float
    server_cpu_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float


class Publishing(Protocol):
    """A connection on which messages can be published."""

    def publish(self, packet: bytes) -> None:
        """Send one packet."""


class Course:
    """What was published and what has arrived of it, everywhere together."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.expected = load.subscribers * load.messages
        self.packets = [_packet(load, number) for number in range(load.messages)]
        self.packet_bytes = len(self.packets[0])
        self.stream = b"".join(self.packets)
        self.sent_s: list[float] = []
        self.delivered = 0
        self.delays_s = array("d")
        self.resume_at = self.expected
        self.resumed = asyncio.Event()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(self, first: int, after: int) -> None:
        """Take note that messages `first` to before `after` have arrived at a subscriber."""
        now_s = perf_counter()
        self.delays_s.extend([now_s - one for one in self.sent_s[first:after]])
        self.delivered += after - first
        if self.delivered >= self.resume_at:
            self.resumed.set()
        if self.delivered == self.expected and not self.ended.done():
            self.ended.set_result(None)

    def fail(self, found: str) -> None:
        """End the run as a failure."""
        if not self.ended.done():
            self.ended.set_exception(RuntimeError(found))

    async def publish_steadily(self, connection: Publishing) -> None:
        """Publish at the load's rate, by the clock: what is late is caught up."""
        began_s = perf_counter()
        for number, packet in enumerate(self.packets):
            await asyncio.sleep(max(0.0, began_s + number / self._load.rate_per_s - perf_counter()))
            self.sent_s.append(perf_counter())
            connection.publish(packet)

    async def publish_at_once(self, connection: Publishing) -> None:
        """Publish with `window` messages on their way."""
        subscribers, window = self._load.subscribers, self._load.window
        for number, packet in enumerate(self.packets):
            self.resume_at = (number + 1 - window) * subscribers
            while self.delivered < self.resume_at:
                self.resumed.clear()
                await self.resumed.wait()
            self.sent_s.append(perf_counter())
            connection.publish(packet)


def _packet(load: Load, number: int) -> bytes:
    payload = str(number).zfill(8).encode().ljust(load.payload_bytes, b"x")
    written = publish(load.topic, payload)
    if load.is_raw:  # the frame in which a server's packet travels: binary, whole, of 16-bit length
        return b"\x82\x7e" + len(written).to_bytes(2, "big") + written
    return written


class Arrivals:
    """How far one subscriber's stream has come."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._position = 0

    def take(self, received: bytes) -> None:
        """Compare what has come with what was published."""
        course = self._course
        before = self._position
        self._position = after = before + len(received)
        if not course.stream.startswith(received, before):
            course.fail(f"at byte {before} came {received[:40]!r}…, which was not published there")
            return
        first, last = before // course.packet_bytes, after // course.packet_bytes
        if last > first:
            course.note(first, last)


class MqttConnection(WSListener):
    """A client on a WebSocket: CONNECT, for a subscriber also SUBSCRIBE, then the stream."""

    def __init__(self, course: Course, client_id: str, topic: str | None) -> None:
        super().__init__()
        self._course = course
        self._client_id = client_id
        self._topic = topic
        self._answers = b""
        self._arrivals: Arrivals | None = None
        self._transport: WSTransport | None = None
        self._is_leaving = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Send CONNECT."""
        self._transport = transport
        self.publish(connect(self._client_id, keep_alive_s=600))

    def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
        """Read answers until all are there, then the stream."""
        if frame.msg_type not in (WSMsgType.BINARY, WSMsgType.CONTINUATION):
            return
        if self._arrivals is not None:
            self._arrivals.take(frame.get_payload_as_bytes())
            return
        self._answers += frame.get_payload_as_bytes()
        answers, _ = split(self._answers)
        expected = [(2, b"\0\0"), (9, b"\0\1\0")][: 1 if self._topic is None else 2]
        found = [(answer.kind, answer.body) for answer in answers]
        if found != expected[: len(found)]:
            self.ready.set_exception(RuntimeError(f"expected {expected}, found {found}"))
        elif len(found) == len(expected):
            self._arrivals = Arrivals(self._course)
            self.ready.set_result(None)
        elif self._topic is not None and len(found) == 1:
            self.publish(subscribe(1, [(self._topic, 0)]))

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        """Fail the run unless it is over."""
        if not self._is_leaving:
            self._course.fail("the server closed a connection")
            if not self.ready.done():
                self.ready.set_exception(RuntimeError("the server closed a connection"))

    def publish(self, packet: bytes) -> None:
        """See `Publishing`."""
        assert self._transport is not None
        self._transport.send(WSMsgType.BINARY, packet)

    def close(self) -> None:
        """Leave."""
        self._is_leaving = True
        assert self._transport is not None
        self._transport.send_close(WSCloseCode.OK)
        self._transport.disconnect()


class RawConnection(asyncio.Protocol):
    """A client that reads and writes bytes as they are."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._arrivals = Arrivals(course)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._arrivals.take(data)

    def publish(self, packet: bytes) -> None:
        """See `Publishing`."""
        assert self._transport is not None
        self._transport.write(packet)

    def close(self) -> None:
        """Leave."""
        assert self._transport is not None
        self._transport.close()


Connection = MqttConnection | RawConnection


async def drive(load: Load) -> Reading:
    """Connect everybody, publish everything, wait for every delivery.

    Raises:
        RuntimeError: the server refused somebody or delivered something else than was published.
        TimeoutError: not everything arrived in time.
    """
    course = Course(load)
    taken = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def join(number: int) -> Connection:
        async with taken:
            return await _connect(load, course, f"{load.subscriber_ids}{number}", load.topic)

    async with asyncio.timeout(READY_WITHIN_S):
        connections = list(await asyncio.gather(*map(join, range(load.subscribers))))
        publisher = await _connect(load, course, load.publisher_id, None)
    server = psutil.Process(load.server_pid)
    await asyncio.to_thread(_wait_until_idle, server)
    began_s, cpu_before_s = perf_counter(), _cpu_s(server)
    publishing = asyncio.create_task(
        course.publish_steadily(publisher) if load.rate_per_s else course.publish_at_once(publisher)
    )
    try:
        await asyncio.wait_for(course.ended, load.within_s)
        took_s, cpu_s = perf_counter() - began_s, _cpu_s(server) - cpu_before_s
    finally:
        publishing.cancel()
        for connection in (*connections, publisher):
            connection.close()
    return _read(course, took_s, cpu_s)


async def _connect(load: Load, course: Course, client_id: str, topic: str | None) -> Connection:
    if load.is_raw:
        loop = asyncio.get_running_loop()
        _, raw = await loop.create_connection(lambda: RawConnection(course), load.host, load.port)
        return raw
    path = load.publisher_path if topic is None else load.subscriber_path
    make: Callable[[], WSListener] = lambda: MqttConnection(course, client_id, topic)  # noqa: E731
    _, connection = await ws_connect(
        make,
        f"ws://{load.host}:{load.port}{path}",
        extra_headers={"Sec-WebSocket-Protocol": "mqtt"},
    )
    assert isinstance(connection, MqttConnection)
    await connection.ready
    return connection


def _wait_until_idle(process: psutil.Process) -> None:
    """Let a server finish what newcomers gave it to do: a whole service notes who is present."""
    until_s = perf_counter() + IDLE_WITHIN_S
    while process.cpu_percent(IDLE_LOOK_S) > IDLE_PERCENT:
        if perf_counter() > until_s:
            raise TimeoutError(f"the server is not idle {IDLE_WITHIN_S} s after its clients came")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _read(course: Course, took_s: float, cpu_s: float) -> Reading:
    delays_ms = [one * 1000 for one in course.delays_s]
    return Reading(
        delivered=course.delivered,
        seconds=took_s,
        server_cpu_s=cpu_s,
        p50_ms=percentile(delays_ms, 50),
        p99_ms=percentile(delays_ms, 99),
        max_ms=max(delays_ms),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(drive(Load(**json.load(sys.stdin)))))))
