"""A page that follows one channel over the built client and keeps what it was told."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as NotInTime

SCRIPT = Path(__file__).with_name("follower.js")
WITHIN_S = 15


class Follower:
    """Runs follower.js on the service's own origin.

    The document is one that the service really serves: Chromium lets a made-up one reach no
    address of this machine ("Local Network Access").
    """

    def __init__(self, page: Page, url: str, channel: str) -> None:
        self.page = page
        self._url = url
        self._channel = channel

    def open(self, document: str = "/v1/health") -> None:
        """Open the page; what happens on its network is up to the test from here on."""
        self.page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        self.page.goto(f"{self._url}{document}#{self._channel}")
        self._run_script()

    def reload(self) -> None:
        """Begin anew in the same browser profile."""
        self.page.reload()
        self._run_script()

    def _run_script(self) -> None:
        self.page.add_script_tag(content=SCRIPT.read_text(), type="module")
        self.wait_until("window.follower !== undefined")

    def wait_until(self, condition: str, *, within_s: float = WITHIN_S) -> None:
        """Wait until a condition holds in the page; on failure say what the page has seen."""
        try:
            self.page.wait_for_function(condition, timeout=within_s * 1000)
        except NotInTime as late:
            seen = self.page.evaluate("window.follower")
            raise AssertionError(f"not within {within_s} s: {condition}; seen: {seen}") from late

    def wait_for_status(self, status: str, *, within_s: float = WITHIN_S) -> None:
        """Wait until the client says so."""
        self.wait_until(f"follower.client.status === {json.dumps(status)}", within_s=within_s)

    def wait_for_seq(self, seq: int, *, within_s: float = WITHIN_S) -> None:
        """Wait until the channel's position is there."""
        self.wait_until(f"follower.channel.position?.seq >= {seq}", within_s=within_s)

    @property
    def told(self) -> list[Any]:
        """Every `[seq, op, key, data]` that the application was told, and `"reset"`, in order."""
        told: list[Any] = self.page.evaluate("follower.told")
        return told

    @property
    def statuses(self) -> list[str]:
        """Every status so far, in order."""
        statuses: list[str] = self.page.evaluate("follower.statuses")
        return statuses

    @property
    def state(self) -> dict[str, Any]:
        """The channel's state as the client has it."""
        state: dict[str, Any] = self.page.evaluate("Object.fromEntries(follower.channel.state)")
        return state

    def assert_equals_log(self) -> None:
        """Compare position and state with what a newcomer gets."""
        query = urlencode({"channels": self._channel})
        with urlopen(f"{self._url}/v1/updates?{query}", timeout=10) as answer:
            channel = json.load(answer)["channels"][self._channel]
        position = self.page.evaluate("follower.channel.position")
        assert (position, self.state) == (
            {"epoch": channel["e"], "seq": channel["l"]},
            channel["state"],
        )
