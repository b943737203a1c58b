"""Firefox and WebKit, as the system's packages have them, driven by a page that asks for orders.

No driver of theirs is needed: each is started with the address of driver.html.
"""

import json
import os
import queue
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from backend.scripted_http import serving

ENGINES: Final = ("firefox", "webkit")
OBEYS_WITHIN_S: Final = 30
ASKS_AGAIN_AFTER_S: Final = 5
ENDS_WITHIN_S: Final = 10
MINI_BROWSERS: Final = "lib/*/webkit2gtk-4*/MiniBrowser"
FIREFOX_NAMES: Final = ("firefox-esr", "firefox")
PREFERENCES: Final = {
    # Nothing is asked of anybody but the page's own server.
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class Engine:
    """A browser with driver.html open in it."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._orders: queue.Queue[tuple[int, str]] = queue.Queue()
        self._done: queue.Queue[dict[str, Any]] = queue.Queue()
        self._number = 0

    def evaluate(self, script: str) -> Any:
        """Return the value of a script in driver.html.

        Raises:
            AssertionError: it threw, or the browser did not answer.
        """
        self._number += 1
        self._orders.put((self._number, script))
        done: dict[str, Any] = {}
        while done.get("number") != self._number:  # what came too late for the one before
            try:
                done = self._done.get(timeout=OBEYS_WITHIN_S)
            except queue.Empty as none:
                message = f"no answer within {OBEYS_WITHIN_S} s: {script}\n{self._log.read_text()}"
                raise AssertionError(message) from none
        assert "error" not in done, f"{script}: {done['error']}"
        return done["value"]

    def wait_until(self, condition: str) -> None:
        """Wait until a condition holds in driver.html; on failure say what the tabs have seen."""
        end_s = time.monotonic() + OBEYS_WITHIN_S
        while not self.evaluate(condition):
            if time.monotonic() > end_s:
                seen = self.evaluate(
                    "[errors, ...tabs.map(({ tab }) => tab && { ...tab, client: tab.client.status,"
                    " channels: null })]"
                )
                raise AssertionError(f"not within {OBEYS_WITHIN_S} s: {condition}; seen: {seen}")
            time.sleep(0.1)

    def answer(self, done: dict[str, Any]) -> dict[str, Any]:
        """Take what became of an order, and give the next one."""
        if done["number"]:
            self._done.put(done)
        try:
            number, order = self._orders.get(timeout=ASKS_AGAIN_AFTER_S)
        except queue.Empty:
            return {"number": 0}
        return {"number": number, "order": order}


@contextmanager
def running_engine(name: str, directory: Path, url: str) -> Iterator[Engine]:
    """Start a browser with a profile of its own, and open driver.html.

    Args:
        name: one of `ENGINES`.
        url: where driver.html is.
    """
    directory.mkdir()
    log = directory / "browser.log"
    engine = Engine(log)
    with ExitStack() as until_done:
        # The page that asks is of another origin.
        test = until_done.enter_context(
            serving(
                lambda _, body: (200, engine.answer(json.loads(body))),
                access_control_allow_origin="*",
            )
        )
        environment = {**os.environ, "HOME": str(directory), "XDG_RUNTIME_DIR": str(directory)}
        if name == "firefox":
            words = _firefox_words(directory)
        else:
            words = _webkit_words()
            environment["DISPLAY"] = until_done.enter_context(_display())
        output = until_done.enter_context(log.open("w"))
        process = subprocess.Popen(
            [*words, f"{url}/driver.html?test={test}"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        until_done.callback(_end, process)
        assert engine.evaluate("document.title") == "Does what a test tells it"
        yield engine


def _firefox_words(directory: Path) -> list[str]:
    lines = [
        f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in PREFERENCES.items()
    ]
    (directory / "user.js").write_text("\n".join(lines))
    firefox = next(filter(None, map(shutil.which, FIREFOX_NAMES)), None)
    assert firefox is not None, f"found no Firefox, expected one of {', '.join(FIREFOX_NAMES)}"
    return [firefox, "--headless", "--no-remote", "--profile", str(directory)]


def _webkit_words() -> list[str]:
    found = sorted(Path("/usr").glob(MINI_BROWSERS))
    assert found, f"found no /usr/{MINI_BROWSERS}"
    return [str(found[-1])]


@contextmanager
def _display() -> Iterator[str]:
    """Run an X server without a screen; yield the name of its display."""
    readable, writable = os.pipe()
    words = [
        "Xvfb",
        "-displayfd",
        str(writable),
        "-screen",
        "0",
        "1280x1024x24",
        "-nolisten",
        "tcp",
    ]
    with subprocess.Popen(words, pass_fds=[writable], stderr=subprocess.DEVNULL) as server:
        os.close(writable)
        with os.fdopen(readable) as numbers:
            number = numbers.readline().strip()
        assert number, "Xvfb did not start"
        try:
            yield f":{number}"
        finally:
            _end(server)


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
