"""What the client does in Chromium it does in Firefox and WebKit: `make test-engines`."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import urllib3

from bellwire.publisher import HttpOutlet, Publisher
from bellwire.wire_json import Json
from documents import REPOSITORY
from end_to_end.tabs import LOST_WORKER, NO_LOCKS, NO_WORKER, SCRIPT, wait_for_sockets
from engines.engine import ENGINES, Engine, running_engine
from services import RunningService, running_service, service_of_pages

# Browsers start in some seconds, but on a busy machine in many.
pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]

NO_BROADCASTS = "delete globalThis.BroadcastChannel"
"""What tabs do without a worker takes these."""
MODES = {
    "worker": (NO_BROADCASTS, 1),
    "worker_not_found": (LOST_WORKER, 1),
    "locks": (NO_WORKER, 1),
    "alone": (f"{NO_WORKER}; {NO_LOCKS}", 3),
}
"""What tabs share a socket by: a script that sees to that, and how many sockets three tabs have."""
FAULTS = {"drop": 0.05, "duplicate": 0.05, "reorder": 0.1, "cut_after": "3s", "seed": 7}
JSON = {"content-type": "application/json"}
PUSHES = 5
EVERY_S = 0.02
LARGE: Json = {"text": "of which much is alike " * 1000}
"""So large that it is pushed gzipped."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built client with the pages of these tests."""
    directory = tmp_path_factory.mktemp("site") / "dist"
    shutil.copytree(REPOSITORY / "browser_client" / "dist", directory)
    for page in (SCRIPT, *Path(__file__).parent.glob("*.html")):
        shutil.copy(page, directory / "dashboard")
    return directory


@pytest.fixture(scope="module")
def service(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    directory = tmp_path_factory.mktemp("service")
    with running_service(directory, "--no-demo", program=service_of_pages(site)) as running:
        yield running


@pytest.fixture(scope="module", params=ENGINES)
def engine(
    request: pytest.FixtureRequest,
    service: RunningService,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Engine]:
    directory = tmp_path_factory.mktemp(request.param) / "profile"
    with running_engine(request.param, directory, service.url) as running:
        yield running


@pytest.fixture
def channel() -> str:
    return f"public/{uuid4().hex[:8]}"


@pytest.fixture
def publisher(service: RunningService, channel: str) -> Publisher:
    """Publish; one update is there before any tab, so that each is told from the second on."""
    publisher = Publisher(HttpOutlet(service.url, service.key))
    publisher.event(channel, 1)
    return publisher


@pytest.fixture
def tabs(engine: Engine, channel: str) -> Iterator["Tabs"]:
    """Open none yet; at the end see that nothing was thrown in any, and close all."""
    yield Tabs(engine, channel)
    engine.evaluate("tabs.splice(0).forEach((tab) => tab.frameElement.remove())")
    assert engine.evaluate("errors.splice(0)") == []


class Tabs:
    """Tabs of one page that follow a channel."""

    def __init__(self, engine: Engine, channel: str) -> None:
        self._engine = engine
        self._channel = json.dumps(channel)

    def open(self, count: int, prelude: str = "") -> None:
        """Open so many, a script run first in each."""
        for _ in range(count):
            self._engine.evaluate(f"openTab({json.dumps(prelude)})")
        self._engine.wait_until("tabs.every(({ start }) => start)")
        self._engine.evaluate(f"tabs.forEach(({{ start }}) => start([{self._channel}], {{}}))")
        self.wait_for_seq(1)

    def close_first(self) -> None:
        """Close the one that has been open for longest."""
        self._engine.evaluate("closeTab()")

    def wait_for_status(self, status: str) -> None:
        """Wait until each has it."""
        self._engine.wait_until(f"tabs.every(({{ tab }}) => tab.client.status === '{status}')")

    def wait_for_seq(self, seq: int) -> None:
        """Wait until each is there."""
        self._engine.wait_until(
            f"tabs.every(({{ tab }}) => tab.channels[{self._channel}].position?.seq >= {seq})"
        )

    @property
    def have_lost_a_socket(self) -> bool:
        """Tell whether each has."""
        return bool(self._engine.evaluate("tabs.every(({ tab }) => tab.lost.count > 0)"))

    def assert_told(self, up_to: int) -> None:
        """Wait until each is there, and see that it was told everything once and in order."""
        self.wait_for_seq(up_to)
        told = self._engine.evaluate(f"tabs.map(({{ tab }}) => tab.told[{self._channel}])")
        assert told == [list(range(2, up_to + 1))] * len(told)

    def assert_pushed(self, publisher: Publisher, data: Json) -> None:
        """See that updates reach each over the socket again, and that it was told all of them.

        A socket may be lost just after it was live, and what is published then is polled.
        """
        for _ in range(PUSHES):
            self.wait_for_status("live")
            last = publisher.event(json.loads(self._channel), data).seq
            self.assert_told(last)
            if self._engine.evaluate(
                f"tabs.every(({{ tab }}) => tab.pushed[{self._channel}] >= {last})"
            ):
                return
        raise AssertionError(f"of {PUSHES} updates none was pushed to each tab")


def publish(publisher: Publisher, channel: str, count: int) -> int:
    """Publish so many events, not faster than a connection takes; return the number of the last."""
    for _ in range(count):
        last = publisher.event(channel, "news").seq
        time.sleep(EVERY_S)
    return last


@contextmanager
def faults(service: RunningService, **in_force: Any) -> Iterator[None]:
    """Have faults in force."""

    def put(some: dict[str, Any]) -> None:
        body = json.dumps(some)
        answer = urllib3.request("POST", f"{service.url}/dev/faults", body=body, headers=JSON)
        assert answer.status == 200, answer.data

    put(in_force)
    try:
        yield
    finally:
        put({})


@pytest.mark.parametrize("mode", MODES)
def test_tabs_share_a_socket_and_each_is_told_everything(
    mode: str, tabs: Tabs, publisher: Publisher, service: RunningService, channel: str
) -> None:
    prelude, sockets = MODES[mode]
    tabs.open(3, prelude)
    tabs.wait_for_status("live")
    wait_for_sockets(service, sockets)
    publish(publisher, channel, 20)
    tabs.assert_pushed(publisher, LARGE)
    tabs.close_first()
    publish(publisher, channel, 20)
    tabs.assert_pushed(publisher, "last")


def test_nothing_is_lost_doubled_or_reordered_by_a_broker_that_is(
    tabs: Tabs, publisher: Publisher, service: RunningService, channel: str
) -> None:
    tabs.open(2)
    with faults(service, **FAULTS):
        last = publish(publisher, channel, 400)
        tabs.assert_told(last)
    assert tabs.have_lost_a_socket
    tabs.assert_pushed(publisher, "last")


def test_where_no_socket_opens_it_is_polled(
    tabs: Tabs, publisher: Publisher, service: RunningService, channel: str
) -> None:
    with faults(service, refuse=1):
        tabs.open(2)
        tabs.wait_for_status("polling")
        tabs.assert_told(publish(publisher, channel, 20))
    tabs.assert_pushed(publisher, "last")
