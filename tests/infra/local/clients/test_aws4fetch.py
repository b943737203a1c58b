"""aws4fetch signs for a page in Chromium and in Node: the WebSocket's URL and a publish."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from playwright.sync_api import Browser, Page

from infra.local.clients.nodes import NodeClient
from infra.local.clients.test_paho import V311, connected
from infra.local.endpoints import Endpoint
from signing import REGION, Keys

Start = Callable[..., NodeClient]
HERE = Path(__file__).parent
AWS4FETCH = HERE.parents[2] / "node_modules" / "aws4fetch" / "dist" / "aws4fetch.esm.js"


def words_for(endpoint: Endpoint, keys: Keys) -> dict[str, object]:
    return {
        "url": endpoint.iot_url,
        "awsUrl": endpoint.aws_url,
        "region": REGION,
        "accessKeyId": keys.access_key_id,
        "secretAccessKey": keys.secret_access_key,
        "sessionToken": keys.session_token,
    }


class PageFiles(BaseHTTPRequestHandler):
    """Serves a page that has aws4fetch; another port is another origin."""

    FILES: ClassVar[dict[str, tuple[str, Callable[[], bytes]]]] = {
        "/": ("text/html", lambda: b'<script type="module" src="/page.js"></script>'),
        "/page.js": ("text/javascript", (HERE / "aws4fetch_page.js").read_bytes),
        "/aws4fetch.js": ("text/javascript", AWS4FETCH.read_bytes),
        "/favicon.ico": ("image/png", lambda: b""),
    }

    def do_GET(self) -> None:
        kind, read = self.FILES[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(read())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), PageFiles) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    with browser.new_context() as context:
        opened = context.new_page()
        opened.goto(f"{origin}/")
        opened.wait_for_function("typeof window.post === 'function'")
        yield opened


def test_node_listens_and_publishes(start_node: Start, endpoint: Endpoint) -> None:
    words = words_for(endpoint, endpoint.keys)
    client = start_node("aws4fetch_client.mjs", {**words, "clientId": "aws4fetch"})
    client.next("connected")
    client.ask("subscribed", do="subscribe", topic="aws4fetch/a b:é")
    client.tell(do="post", topic="aws4fetch/a b:é", payload="hello")
    happened = {one["event"]: one for one in (client.next_of({"message", "posted"}) for _ in "12")}
    assert happened["posted"]["status"] == 200
    assert happened["posted"]["answer"]["message"] == "OK"
    assert happened["message"]["payload"] == "hello"


def test_a_page_connects_with_temporary_credentials(page: Page, endpoint: Endpoint) -> None:
    identity_id, keys = endpoint.guest()
    words = {**words_for(endpoint, keys), "clientId": identity_id}
    assert page.evaluate("(words) => connect(words)", words) == {
        "protocol": "mqtt",
        "answer": [0x20, 2, 0, 0],
    }


def test_a_page_with_a_wrong_secret_is_refused(page: Page, endpoint: Endpoint) -> None:
    identity_id, keys = endpoint.guest()
    forged = Keys(keys.access_key_id, "wrong", keys.session_token)
    words = {**words_for(endpoint, forged), "clientId": identity_id}
    assert page.evaluate("(words) => connect(words)", words) == {"code": 1006}


def test_a_page_publishes_over_https(page: Page, endpoint: Endpoint) -> None:
    """The data plane lets pages of other origins in.

    Source: aws/aws-iot-device-sdk-js#71 and aws/aws-sdk-js#3014, where pages call it; the answer
    to OPTIONS of its control plane is shown in aws/aws-sdk-js#2258.
    """
    with connected(endpoint, "page-listener", V311) as listener:
        listener.subscribe("guest/page", 0)
        _, keys = endpoint.guest()
        words = {**words_for(endpoint, keys), "topic": "guest/page", "payload": "from a page"}
        posted = page.evaluate("(words) => post(words)", words)
        assert (posted["status"], posted["answer"]["message"]) == (200, "OK")
        assert listener.next_message() == ("guest/page", b"from a page", 0, False)


def test_a_page_reads_why_its_publish_is_refused(page: Page, endpoint: Endpoint) -> None:
    _, keys = endpoint.guest()
    words = {**words_for(endpoint, keys), "topic": "other/page", "payload": "x"}
    posted = page.evaluate("(words) => post(words)", words)
    assert (posted["status"], posted["answer"]["message"]) == (403, "Forbidden")
