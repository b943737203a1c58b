"""A stand-in in a thread with a loop of its own, for synchronous callers such as tests."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

import uvloop

from bellwire_local.stand_in import StandIn

Result = TypeVar("Result")


class ThreadedStandIn:
    """A running stand-in and the way into its loop."""

    def __init__(self, stand_in: StandIn, loop: asyncio.AbstractEventLoop) -> None:
        self.stand_in = stand_in
        self._loop = loop

    def call(self, function: Callable[[], Result], timeout_s: float = 5) -> Result:
        """Run `function` inside the loop, where the broker lives, and return what it returns."""

        async def run() -> Result:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout_s)


@contextlib.contextmanager
def running_in_thread(stand_in: StandIn, timeout_s: float = 10) -> Iterator[ThreadedStandIn]:
    """Start a stand-in, yield it, stop it.

    Raises:
        StandInError: it could not start.
    """
    started: Future[asyncio.AbstractEventLoop] = Future()
    stopping = asyncio.Event()

    async def serve() -> None:
        try:
            await stand_in.start()
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(asyncio.get_running_loop())
        await stopping.wait()
        await stand_in.stop()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="stand-in", daemon=True)
    thread.start()
    loop = started.result(timeout_s)
    try:
        yield ThreadedStandIn(stand_in, loop)
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(timeout_s)
        if thread.is_alive():
            raise TimeoutError(f"the stand-in did not stop within {timeout_s} s")
