"""What members cost: a session of somebody known, a private poll, and many who are new at once."""

import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import urllib3

from bellwire.http_calls import HttpCalls
from benchmarks.figures import durations_ms, in_words
from services import RunningService

TIMES = 500
WARM_UP = 50
NEWCOMERS = 200


def measure_members(service: RunningService) -> Iterator[tuple[str, str]]:
    """Measure sessions and polls of one member, one after another, then newcomers all at once."""
    calls = HttpCalls(service.url)
    headers = {"authorization": f"Bearer {_log_in(calls, 'bench')}"}
    times = {"times": TIMES, "warm_up": WARM_UP}

    def open_session(body: bytes = b"{}") -> bytes:
        return calls.post("/v1/session", body, headers)

    yield "session of somebody known", in_words(durations_ms(open_session, **times))
    with_keys = durations_ms(lambda: open_session(b'{"credentials":true}'), **times)
    yield "  with AWS credentials", in_words(with_keys)
    bearer = {"authorization": f"Bearer {json.loads(open_session())['token']}"}
    query = {"channels": "user/me/inbox"}
    polls = durations_ms(lambda: calls.get("/v1/updates", query, bearer), **times)
    yield "poll of a private channel", in_words(polls)
    yield f"{NEWCOMERS} first logins at once", f"all in after {_sign_up(service):.1f} s"


def _log_in(calls: HttpCalls, user: str) -> str:
    body = json.dumps({"user": user, "groups": ["bench"]}).encode()
    return str(json.loads(calls.post("/dev/login", body))["token"])


def _sign_up(service: RunningService) -> float:
    """Return how long it took until all were in; two policies each are to be attached."""
    calls, pool = HttpCalls(service.url), urllib3.PoolManager(retries=False, maxsize=NEWCOMERS)
    tokens = [_log_in(calls, f"newcomer{number}") for number in range(NEWCOMERS)]

    def come(token: str) -> None:
        headers = {"authorization": f"Bearer {token}"}
        while True:
            answer = pool.request("POST", f"{service.url}/v1/session", json={}, headers=headers)
            if answer.status == 200:
                return
            seconds = int(answer.headers["retry-after"])
            threading.Event().wait(seconds * random.uniform(1, 1.5))

    began_s = perf_counter()
    with ThreadPoolExecutor(NEWCOMERS) as people:
        list(people.map(come, tokens))
    return perf_counter() - began_s
