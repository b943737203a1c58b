"""Tabs of one browser profile, and how many sockets the service has for them."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as NotInTime

from end_to_end.hidden_pages import HiddenPage
from services import RunningService

SCRIPT = Path(__file__).with_name("tab.js")
WITHIN_S = 30

NO_WORKER = "delete globalThis.SharedWorker"
LOST_WORKER = """{
  const Worker = SharedWorker;
  globalThis.SharedWorker = class extends Worker {
    constructor(_url, options) { super("/no-such-worker.js", options); }
  };
}"""
NO_LOCKS = 'Object.defineProperty(Navigator.prototype, "locks", { value: undefined })'

COUNTED_CHANNELS = """{
  const Channel = BroadcastChannel;
  globalThis.openChannels = new Set();
  globalThis.BroadcastChannel = class extends Channel {
    constructor(name) { super(name); openChannels.add(this); }
    close() { openChannels.delete(this); super.close(); }
  };
}"""


class Tab:
    """Runs tab.js on the service's own origin: the file itself, or an application made of it."""

    def __init__(
        self, page: Page | HiddenPage, service: RunningService, application: str = ""
    ) -> None:
        """Open nothing yet.

        Args:
            application: the path of the application.
        """
        self.page = page
        self._service = service
        self._application = application

    def open(self, *channels: str, **options: Any) -> None:
        """Open the page and follow the channels.

        Args:
            options: for `connect`.
        """
        if isinstance(self.page, Page):
            self.page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        self.page.goto(f"{self._service.url}{self._application or '/v1/health'}")
        if not self._application:
            self._add_script()
        self.wait_until("window.start !== undefined")
        self.page.evaluate("(words) => start(...words)", [channels, options])

    def _add_script(self) -> None:
        if isinstance(self.page, Page):
            self.page.add_script_tag(content=SCRIPT.read_text(), type="module")
        else:
            self.page.add_script_tag(SCRIPT.read_text())

    def wait_until(self, condition: str) -> None:
        """Wait until a condition holds in the page; on failure say what the page has seen."""
        try:
            self.page.wait_for_function(condition, timeout=WITHIN_S * 1000)
        except NotInTime as late:
            seen = self.page.evaluate("window.tab && {...tab, client: tab.client.status}")
            raise AssertionError(f"not within {WITHIN_S} s: {condition}; seen: {seen}") from late

    def wait_for_status(self, status: str) -> None:
        """Wait until the client says so."""
        self.wait_until(f"tab.client.status === {json.dumps(status)}")

    def wait_for_seq(self, channel: str, seq: int) -> None:
        """Wait until the channel's position is there."""
        self.wait_until(f"tab.channels[{json.dumps(channel)}].position?.seq >= {seq}")

    def wait_for_push(self, channel: str, seq: int) -> None:
        """Wait until this update has come over the socket, not by polling."""
        self.wait_until(f"tab.pushed[{json.dumps(channel)}] >= {seq}")

    def told(self, channel: str) -> list[Any]:
        """Every seq that the application was told, and `"reset"`, in order."""
        told: list[Any] = self.page.evaluate("(channel) => tab.told[channel]", channel)
        return told

    def set_lifecycle(self, state: str) -> None:
        """Freeze a hidden page ("frozen") as a browser does in time, or wake it ("active")."""
        assert isinstance(self.page, HiddenPage)
        self.page.send("Page.setWebLifecycleState", state=state)
        self.wait_until(f"tab.isFrozen === {json.dumps(state == 'frozen')}")

    @property
    def statuses(self) -> list[str]:
        """Every status after the first, in order."""
        statuses: list[str] = self.page.evaluate("tab.statuses")
        return statuses


def count_workers(browser: Browser) -> int:
    """Count the SharedWorkers of all pages."""
    session = browser.new_browser_cdp_session()
    targets = session.send("Target.getTargets")["targetInfos"]
    session.detach()
    return sum(one["type"] == "shared_worker" for one in targets)


def kill_workers(browser: Browser) -> None:
    """End the SharedWorkers of all pages, as a browser does that is short of memory."""
    session = browser.new_browser_cdp_session()
    for one in session.send("Target.getTargets")["targetInfos"]:
        if one["type"] == "shared_worker":
            session.send("Target.closeTarget", {"targetId": one["targetId"]})
    session.detach()


def count_sockets(service: RunningService) -> int:
    """Count the connections to the broker."""
    port = urlsplit(service.ready["iot"]).port
    connections = psutil.Process(service.ready["pid"]).net_connections(kind="tcp")
    return sum(
        one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in connections
    )


def wait_for_sockets(service: RunningService, count: int) -> None:
    """Wait until the service has so many connections."""
    end_s = time.monotonic() + WITHIN_S
    while (found := count_sockets(service)) != count:
        message = f"found {found} sockets after {WITHIN_S} s, expected {count}"
        assert time.monotonic() < end_s, message
        time.sleep(0.1)
