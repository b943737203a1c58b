"""The browser client in real Chromium, on the stack: a guest and a member."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from uuid import uuid4

from playwright.sync_api import Page

from browsers import running_browser, watched_page
from rehearsal.emulator import POOL, REPOSITORY
from rehearsal.stories import Stage, fresh

DIST: Final = REPOSITORY / "browser_client" / "dist"
WITHIN_MS: Final = 30_000
FOLLOW: Final = """async ([url, token, names]) => {
  const { connect } = await import("/bellwire.js");
  window.told = [];
  window.client = connect(token === null ? { url } : { url, token });
  for (const name of names) {
    client.channel(name).on("update", (update) => told.push([name, update.data]));
  }
}"""


class _SameOrigin(SimpleHTTPRequestHandler):
    """Serves the client, and hands on what is for the API: MiniStack answers no preflight."""

    def __init__(self, *words: Any, api_url: str, **more: Any) -> None:
        self._api_url = api_url
        super().__init__(*words, **more)

    def do_GET(self) -> None:
        """Serve a file, or hand on."""
        if self.path.startswith("/v1/"):
            self._hand_on(None)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """Hand on."""
        self._hand_on(self.rfile.read(int(self.headers.get("content-length", 0))))

    def _hand_on(self, body: bytes | None) -> None:
        kept = ("authorization", "content-type", "if-none-match")
        headers = {name: self.headers[name] for name in kept if name in self.headers}
        answer = POOL.request(self.command, self._api_url + self.path, headers=headers, body=body)
        self.send_response(answer.status)
        for name in ("content-type", "etag", "cache-control", "retry-after"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("content-length", str(len(answer.data)))
        self.end_headers()
        self.wfile.write(answer.data)

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


def told_in_a_browser(stage: Stage, log_in: Callable[..., str]) -> bool:
    """A guest and a member are told what is published, and the guest nothing else."""
    public, group = fresh("browser"), f"g{uuid4().hex[:6]}"
    room = f"group/{group}/room"
    with (
        _served(stage.stack.api_url) as url,
        running_browser() as browser,
        watched_page(browser) as guest,
        watched_page(browser) as member,
    ):
        for page, token, names in (
            (guest, None, [public]),
            (member, log_in("browser", group), [public, room]),
        ):
            page.goto(f"{url}/blank.html")
            page.evaluate(FOLLOW, [f"{url}/v1", token, names])
            page.wait_for_function("client.status === 'live'", timeout=WITHIN_MS)
        for at in range(3):
            stage.roads.by_invoke(public, f"public {at}")
            stage.roads.by_invoke(room, f"room {at}")
        guests = [[public, f"public {at}"] for at in range(3)]
        members = [*guests, *([room, f"room {at}"] for at in range(3))]
        return _hears(guest, guests) and _hears(member, members)


def _hears(page: Page, wanted: list[list[str]]) -> bool:
    page.wait_for_function(f"told.length >= {len(wanted)}", timeout=WITHIN_MS)
    told = page.evaluate("told")
    is_all = sorted(told) == sorted(wanted)
    page.evaluate("client.close()")
    return is_all


@contextmanager
def _served(api_url: str) -> Iterator[str]:
    handler = partial(_SameOrigin, api_url=api_url, directory=str(DIST))
    (DIST / "blank.html").write_text(
        '<!doctype html><title>Rehearsal</title><link rel=icon href="data:,">'
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            (DIST / "blank.html").unlink()
