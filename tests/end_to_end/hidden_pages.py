"""Pages that Playwright does not hold: it keeps its own visible, and a visible page never freezes.

Source: Playwright's "setFocusEmulationEnabled" for every page; Page Lifecycle, "frozen" is for
hidden pages alone (https://wicg.github.io/page-lifecycle/).
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

from playwright.sync_api import Browser, CDPSession
from playwright.sync_api import TimeoutError as NotInTime

ANSWER_WITHIN_S: Final = 10
Answers = dict[int, dict[str, Any]]


class HiddenPage:
    """As much of Playwright's Page as tabs.py needs, over the DevTools protocol."""

    def __init__(self, profile: "HiddenProfile", target: str, session: str) -> None:
        self._profile = profile
        self._target = target
        self._session = session

    def goto(self, url: str) -> None:
        """Open a document and wait until it is there."""
        self.send("Page.navigate", url=url)
        loaded = f"location.href === {json.dumps(url)} && document.readyState === 'complete'"
        self.wait_for_function(loaded, timeout=ANSWER_WITHIN_S * 1000)

    def add_script_tag(self, content: str) -> None:
        """Run a module."""
        self.evaluate(
            """(content) => {
              const script = Object.assign(document.createElement("script"), { type: "module" });
              script.textContent = content;
              document.head.append(script);
            }""",
            content,
        )

    def evaluate(self, expression: str, *words: Any) -> Any:
        """Return what an expression is in the page, or what a function returns for the words."""
        call = f"({expression})({json.dumps(words[0])})" if words else expression
        answer = self.send("Runtime.evaluate", expression=call, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for_function(self, condition: str, *, timeout: float) -> None:
        """Wait until a condition holds in the page.

        Args:
            timeout: in ms.

        Raises:
            TimeoutError: Playwright's.
        """
        end_s = time.monotonic() + timeout / 1000
        while not self.evaluate(condition):
            if time.monotonic() > end_s:
                raise NotInTime(f"not within {timeout} ms: {condition}")
            time.sleep(0.02)

    def send(self, method: str, **params: Any) -> Any:
        """Send a command and wait for its result."""
        return self._profile.wait_for_answer(self._session, method, params)

    def close(self) -> None:
        """Close the page as its user would."""
        self._profile.session.send("Target.closeTarget", {"targetId": self._target})

    def crash(self) -> None:
        """Kill the page's process, which answers no more."""
        self._profile.post(self._session, "Page.crash", {})


class HiddenProfile:
    """A fresh browser profile; of its pages only the newest is visible."""

    def __init__(self, session: CDPSession, context: str, script: str) -> None:
        self.session = session
        self._context = {"browserContextId": context}
        self._script = script
        self._answers: Answers = {}
        self._numbers = count(1)
        session.on("Target.receivedMessageFromTarget", self._take)

    def new_page(self) -> HiddenPage:
        """Open an empty page."""
        words = {"url": "about:blank", **self._context}
        target = self.session.send("Target.createTarget", words)["targetId"]
        attachment = {"targetId": target, "flatten": False}
        session = self.session.send("Target.attachToTarget", attachment)["sessionId"]
        page = HiddenPage(self, target, session)
        page.send("Page.enable")
        page.send("Page.addScriptToEvaluateOnNewDocument", source=self._script)
        return page

    def post(self, session: str, method: str, params: dict[str, Any]) -> int:
        """Send a command to a page and return its number."""
        number = next(self._numbers)
        message = json.dumps({"id": number, "method": method, "params": params})
        words = {"sessionId": session, "message": message}
        self.session.send("Target.sendMessageToTarget", words)
        return number

    def wait_for_answer(self, session: str, method: str, params: dict[str, Any]) -> Any:
        """Send a command to a page and wait for its result."""
        number = self.post(session, method, params)
        end_s = time.monotonic() + ANSWER_WITHIN_S
        while number not in self._answers:
            assert time.monotonic() < end_s, f"no answer to {method} within {ANSWER_WITHIN_S} s"
            self.session.send("Target.getTargets")  # lets the answer in
        answer = self._answers.pop(number)
        assert "result" in answer, answer
        return answer["result"]

    def _take(self, event: dict[str, Any]) -> None:
        message = json.loads(event["message"])
        if "id" in message:
            self._answers[message["id"]] = message


@contextmanager
def hidden_profile(browser: Browser, script: str) -> Iterator[HiddenProfile]:
    """Open a profile whose pages run a script before anything else."""
    session = browser.new_browser_cdp_session()
    context = session.send("Target.createBrowserContext")["browserContextId"]
    yield HiddenProfile(session, context, script)
    session.send("Target.disposeBrowserContext", {"browserContextId": context})
    session.detach()
