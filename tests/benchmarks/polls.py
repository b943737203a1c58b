"""Polls over HTTP, on one kept-alive connection."""

import json
from collections.abc import Iterator

from bellwire.http_calls import HttpCalls
from bellwire.publisher import HttpOutlet, Publisher
from benchmarks.figures import durations_ms
from services import RunningService

TIMES = 1000
WARM_UP = 100
MANY = 50
NEWS = 10


def measure_polls(service: RunningService) -> Iterator[tuple[str, list[float]]]:
    """Measure a quiet poll of one channel and of many, and one that brings news."""
    calls = HttpCalls(service.url)
    publisher = Publisher(HttpOutlet(service.url, service.key))
    names = [f"public/bench.poll.{number}" for number in range(MANY)]
    publisher.publish([{"channel": name, "op": "event", "data": 0} for name in names])
    for label, asked in (("1 channel", names[:1]), (f"{MANY} channels", names)):
        yield f"quiet, {label}", _measure(calls, _cursor(calls, asked))
    cursor = _cursor(calls, names[:1])
    publisher.publish([{"channel": names[0], "op": "event", "data": n} for n in range(NEWS)])
    yield f"with {NEWS} updates", _measure(calls, cursor)


def _cursor(calls: HttpCalls, names: list[str]) -> str:
    answer = json.loads(calls.get("/v1/updates", {"channels": ",".join(names)}))
    return str(answer["cursor"])


def _measure(calls: HttpCalls, cursor: str) -> list[float]:
    return durations_ms(
        lambda: calls.get("/v1/updates", {"cursor": cursor}), times=TIMES, warm_up=WARM_UP
    )
