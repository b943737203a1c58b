"""A network between a page and servers on this machine: late by as much each way, and cut at will.

It passes on whatever goes over TCP and looks into none of it, so that documents, preflights and
sockets are late alike. A new connection carries nothing until its handshake would be done.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

PIECE_BYTES: Final = 65_536
HEAD_BYTES: Final = 2048
WITHIN_S: Final = 10

Relay = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Piece(NamedTuple):
    """Bytes that passed, and when the page sent them or got them, in seconds since the epoch."""

    connection: int
    is_of_page: bool
    at_s: float
    head: bytes
    """The first of them, enough to tell what they are."""


class SlowLine:
    """Relays to some ports of this machine, each from a port of its own."""

    def __init__(self, one_way_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self.pieces: list[Piece] = []
        self.opened_s: list[float] = []
        """When the page opened each connection, in seconds since the epoch."""
        self.relaying: dict[int, int] = {}
        """The ports of servers, and for each the one that relays to it."""
        self._one_way_s = one_way_s
        self._loop = loop
        self._is_cut = False
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End every connection, and each new one until `mend`."""
        self._is_cut = True
        self._loop.call_soon_threadsafe(self._end_all)

    def mend(self) -> None:
        """Relay again."""
        self._is_cut = False

    async def listen(self, ports: Sequence[int]) -> None:
        """Relay to these ports from now on."""
        for port in ports:
            server = await asyncio.start_server(self._relay_to(port), "127.0.0.1", 0)
            self._servers.append(server)
            self.relaying[port] = server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End everything."""
        for server in self._servers:
            server.close()
        self._end_all()
        await asyncio.gather(*self._tasks)

    def _end_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _relay_to(self, port: int) -> Relay:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if self._is_cut:
                writer.transport.abort()
            else:
                await self._relay(port, reader, writer)

        return relay

    async def _relay(
        self, port: int, from_page: asyncio.StreamReader, to_page: asyncio.StreamWriter
    ) -> None:
        connection = len(self.opened_s)
        self.opened_s.append(time.time())
        open_s = self._loop.time() + 2 * self._one_way_s
        with contextlib.suppress(ConnectionError):
            from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
            self._writers |= {to_page, to_server}
            if self._is_cut:  # since it was accepted
                self._end_all()
            await asyncio.gather(
                self._pass(from_page, to_server, connection, is_of_page=True, open_s=open_s),
                self._pass(from_server, to_page, connection, is_of_page=False, open_s=0),
            )
            self._writers -= {to_page, to_server}

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: int,
        *,
        is_of_page: bool,
        open_s: float,
    ) -> None:
        """Pass bytes on in their order, each when its time has come."""
        due_s = 0.0
        while piece := await reader.read(PIECE_BYTES):
            now_s = self._loop.time()
            due_s = max(now_s + self._one_way_s, open_s + self._one_way_s, due_s + 1e-6)
            at_s = time.time() + (0 if is_of_page else due_s - now_s)
            self.pieces.append(Piece(connection, is_of_page, at_s, piece[:HEAD_BYTES]))
            self._loop.call_at(due_s, _write, writer, piece)
        self._loop.call_at(max(self._loop.time() + self._one_way_s, due_s + 1e-6), writer.close)


def _write(writer: asyncio.StreamWriter, piece: bytes) -> None:
    if not writer.is_closing():
        writer.write(piece)


@contextmanager
def slow_line(ports: Sequence[int], one_way_s: float) -> Iterator[SlowLine]:
    """Relay to these ports in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    line = SlowLine(one_way_s, loop)
    try:
        asyncio.run_coroutine_threadsafe(line.listen(ports), loop).result(WITHIN_S)
        yield line
    finally:
        asyncio.run_coroutine_threadsafe(line.close(), loop).result(WITHIN_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
