"""Pages of people: what each was told, and every byte that reached it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Response, WebSocket
from playwright.sync_api import TimeoutError as NotInTime

from services import RunningService

HERE = Path(__file__).parent
AWS4FETCH = HERE.parent / "node_modules/aws4fetch/dist/aws4fetch.esm.js"
WITHIN_S = 15


@dataclass
class Person:
    """A page that follows channels as somebody; `heard` is all that came over its network."""

    page: Page
    service: RunningService
    heard: bytearray = field(default_factory=bytearray)
    _unread: list[Response] = field(default_factory=list)

    def open(
        self, token: str | None, *channels: str, session: dict[str, Any] | None = None
    ) -> None:
        """Open the page and follow the channels; None: as a guest."""
        self.page.on("websocket", self._listen)
        self.page.on("response", self._note)
        self.page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        self.page.route("**/aws4fetch.js", lambda route: route.fulfill(path=AWS4FETCH))
        self.page.goto(f"{self.service.url}/v1/health")
        for script in ("person.js", "intruder.js"):
            self.page.add_script_tag(content=(HERE / script).read_text(), type="module")
        self.wait_until("Boolean(window.start && window.intrude)")
        words = [token, list(channels), session]
        self.page.evaluate("(words) => start(...words)", words)

    def _note(self, response: Response) -> None:
        self._unread.append(response)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.heard.extend(_bytes_of(frame)))

    def wait_until(self, condition: str) -> None:
        """Wait until a condition holds in the page; on failure say what the page has seen."""
        try:
            self.page.wait_for_function(condition, timeout=WITHIN_S * 1000)
        except NotInTime as late:
            seen = self.page.evaluate("window.person && {...person, client: 0, channels: 0}")
            raise AssertionError(f"not within {WITHIN_S} s: {condition}; seen: {seen}") from late

    def wait_for_status(self, status: str) -> None:
        """Wait until the client says so."""
        self.wait_until(f"person.client.status === {json.dumps(status)}")

    def wait_for(self, channel: str, data: Any) -> None:
        """Wait until the application was told something on a channel."""
        told = f"person.told[{json.dumps(channel)}] ?? []"
        self.wait_until(f"({told}).some((one) => one === {json.dumps(data)})")

    def told(self, channel: str) -> list[Any]:
        """Return everything that was told on a channel, in order."""
        told: list[Any] = self.page.evaluate("(channel) => person.told[channel] ?? []", channel)
        return told

    def errors(self) -> list[Any]:
        """Return every error that the application was told."""
        errors: list[Any] = self.page.evaluate("person.errors")
        return errors

    def intrude(self, keys: dict[str, str], client_id: str, *filters: str) -> dict[str, Any]:
        """Open a socket of one's own; return whether, and which filters were granted."""
        words = {
            "url": self.service.ready["iot"],
            "keys": {
                "accessKeyId": keys["access_key_id"],
                "secretAccessKey": keys["secret_access_key"],
                "sessionToken": keys["session_token"],
            },
            "clientId": client_id,
            "filters": list(filters),
        }
        found: dict[str, Any] = self.page.evaluate("(words) => intrude(words)", words)
        return found

    def fetch(self, path: str, token: str | None = None) -> tuple[int, Any]:
        """Ask the service from the page."""
        found: list[Any] = self.page.evaluate(
            """async ([path, token]) => {
              const headers = token ? { Authorization: `Bearer ${token}` } : {};
              const answer = await fetch(path, { headers });
              return [answer.status, await answer.json()];
            }""",
            [path, token],
        )
        return found[0], found[1]

    def heard_bytes(self) -> bytes:
        """Return every byte of frames and answers so far."""
        for response in self._unread:
            if response.status not in (204, 304):
                self.heard.extend(response.body())
        self._unread.clear()
        return bytes(self.heard)


def _bytes_of(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame
