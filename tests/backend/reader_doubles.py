"""What tests of a reader wait for and ask with."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from bellwire.http_calls import HttpCalls
from bellwire.told import Told

WITHIN_S = 30


def next_of(told: Iterator[Told]) -> Told:
    """Wait for the next one, with a deadline."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(next, told).result(WITHIN_S)


def data_of(told: Told) -> object:
    """Return what an update says; None where continuity was lost."""
    return None if told.update is None else told.update.data


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


class SlowCalls(HttpCalls):
    """Brings the first answer, or refusal, to a poll only when a test lets it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.has_come = Event()
        self.go_on = Event()

    def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        try:
            return super().get(path, query, headers)
        finally:
            if path == "/v1/updates":
                self.has_come.set()
                assert self.go_on.wait(WITHIN_S)


class UnluckyCalls(HttpCalls):
    """Polls bring what a test has put first: bytes, or an error."""

    def __init__(self, url: str, *bad: bytes | Exception) -> None:
        super().__init__(url)
        self.bad = list(bad)

    def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        if path != "/v1/updates" or not self.bad:
            return super().get(path, query, headers)
        found = self.bad.pop(0)
        if isinstance(found, Exception):
            raise found
        return found
