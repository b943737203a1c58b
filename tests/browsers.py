"""The system's Chromium for tests and benchmarks, and pages in which no error goes unnoticed."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserType, ConsoleMessage, Error, Page, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
CHROMIUM_WORDS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# What Chromium itself writes about a request or a socket that could not be made.
NETWORK_WORDS = ("Failed to load resource: net::ERR_", "WebSocket connection to ")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start the system's Chromium, as tests/install.sh finds or installs it."""
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        yield browser
        browser.close()


def launch(chromium: BrowserType, *words: str, without: Sequence[str] = ()) -> Browser:
    """Start the system's Chromium with further words of its command line.

    Args:
        without: words of Playwright's own that are to be left out.
    """
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), MAC_CHROME)
    return chromium.launch(
        executable_path=path, args=[*CHROMIUM_WORDS, *words], ignore_default_args=list(without)
    )


REFUSED_WORDS = tuple(
    f"Failed to load resource: the server responded with a status of {status}"
    for status in (400, 401, 403)
)


@contextmanager
def watched_page(
    browser: Browser, *, has_outage: bool = False, is_refused: bool = False
) -> Iterator[Page]:
    """Open a page of a fresh profile; at its end, fail for any error thrown or written in it.

    Further pages of the same profile (`page.context.new_page()`) are watched as well.

    Args:
        has_outage: the network fails on purpose, so the browser's own words about that are no
            error of the page.
        is_refused: the same of requests that are to be refused.
    """
    errors: list[str] = []
    expected: tuple[str, ...] = NETWORK_WORDS if has_outage or is_refused else ()
    expected += REFUSED_WORDS if is_refused else ()

    def note(message: ConsoleMessage) -> None:
        is_expected = bool(expected) and message.text.startswith(expected)
        if message.type in ("error", "assert") and not is_expected:
            errors.append(f"{message.text} ({message.location})")

    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        context.on("console", note)
        context.on("weberror", lambda thrown: errors.append(_words_of(thrown.error)))
        yield context.new_page()
    if errors:
        raise AssertionError("errors in the page:\n" + "\n".join(errors))


def _words_of(error: Error) -> str:
    return f"{error.message}\n{error.stack}"
