"""POST /v1/session at the front: how many at once, and who is not to hold up the others."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import Response

from backend.club import Club
from backend.conftest import Clock, make_sql_log
from bellwire.identity_ports import Vouched
from bellwire.sql.engine import open_sqlite
from bellwire_local.dev.front import JOINING, Front, Threads
from bellwire_local.dev.gate import Gate
from bellwire_local.identity.api_gateway import ApiAuthorizer

ORIGIN = "http://127.0.0.1:8080"


class SlowPool:
    """A pool that lets nobody through before `may_answer` is set, and counts who waits."""

    def __init__(self, club: Club) -> None:
        self.may_answer, self.waiting = Event(), Semaphore(0)
        self._vouch_for = club.pool.vouch_for

    def vouch_for(self, user: str, **more: Any) -> Vouched:
        self.waiting.release()
        assert self.may_answer.wait(30)
        return self._vouch_for(user, **more)


@contextmanager
def running_front(club: Club) -> Iterator[Starlette]:
    nobody: Any = None
    with ThreadPoolExecutor(4) as few, ThreadPoolExecutor(JOINING) as joining:
        authorizer: ApiAuthorizer = nobody
        front = Front(
            club.deployment,
            gate=Gate("key", authorizer),
            origin=ORIGIN,
            threads=Threads(few, few, joining),
            host="127.0.0.1",
            dev=Response(status_code=404),
        )
        yield front.app()


@pytest.fixture
def club(tmp_path: Path) -> Iterator[Club]:
    clock = Clock()
    engine = open_sqlite(tmp_path / "log.db", pool_size=JOINING + 8)
    yield Club(engine, make_sql_log(engine, clock), clock)
    engine.dispose()


async def post_session(
    app: Starlette, token: str, body: Callable[[], Awaitable[Any]] | None = None
) -> tuple[int, dict[str, str], Any]:
    """Ask by ASGI; `body` gives the request's messages, by default a whole empty one."""

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/session",
        "raw_path": b"/v1/session",
        "query_string": b"",
        "headers": headers,
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, body or receive, send)
    received = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], received, json.loads(content)


def test_one_more_than_there_are_threads_is_asked_to_come_back(
    club: Club, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = SlowPool(club)
    monkeypatch.setattr(club.pool, "vouch_for", pool.vouch_for)

    async def crowd(app: Starlette) -> None:
        waiting = [
            asyncio.create_task(post_session(app, club.login(f"user-{number}")))
            for number in range(JOINING)
        ]
        for _ in range(JOINING):
            assert await asyncio.to_thread(pool.waiting.acquire, timeout=10)
        for _ in range(20):
            status, headers, content = await post_session(app, club.login("late"))
            assert (status, content["error"]["code"]) == (429, "too_many")
            assert content["error"]["retryable"] is True
            assert 2 <= int(headers["retry-after"]) <= 8
            assert headers["access-control-allow-origin"] == ORIGIN
            assert "Retry-After" in headers["access-control-expose-headers"]
        pool.may_answer.set()
        found = [(await task)[2]["identity_id"] for task in waiting]
        assert len(set(found)) == JOINING
        assert (await post_session(app, club.login("late")))[0] == 200

    with running_front(club) as app:
        asyncio.run(crowd(app))


def test_whoever_is_slow_to_send_holds_up_nobody(club: Club) -> None:
    async def crowd(app: Starlette) -> None:
        is_sent, listening = asyncio.Event(), asyncio.Semaphore(0)

        async def dawdle() -> Any:
            listening.release()
            await is_sent.wait()
            return {"type": "http.request", "body": b"{}", "more_body": False}

        waiting = [
            asyncio.create_task(post_session(app, club.login("slow"), dawdle))
            for _ in range(JOINING + 8)
        ]
        for _ in waiting:
            await listening.acquire()
        assert (await post_session(app, club.login("quick")))[0] == 200
        is_sent.set()
        statuses = [(await task)[0] for task in waiting]
        assert set(statuses) <= {200, 429}
        assert statuses.count(200) >= JOINING

    with running_front(club) as app:
        asyncio.run(crowd(app))


def test_a_place_is_free_again_after_a_refusal(club: Club) -> None:
    async def crowd(app: Starlette) -> None:
        for _ in range(JOINING + 8):
            assert (await post_session(app, "x"))[0] == 401
        assert (await post_session(app, club.login("quick")))[0] == 200

    with running_front(club) as app:
        asyncio.run(crowd(app))
