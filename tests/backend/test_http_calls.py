"""What is tried again: a service that is busy, a function that died; not what it says itself."""

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from backend.scripted_http import Answer, serving
from bellwire.errors import BellwireError, Internal, Upstream
from bellwire.http_calls import HttpCalls

DIED = (500, {"message": "Internal Server Error"})
FAULT = (500, {"error": {"code": "internal", "message": "in the log", "retryable": False}})


def ask(answers: list[Answer]) -> tuple[Any, int]:
    """Post once; tell what came of it, and how often the service was asked."""
    asked = 0

    def answer(_: BaseHTTPRequestHandler, _body: bytes) -> Answer:
        nonlocal asked
        asked += 1
        return answers[min(asked, len(answers)) - 1]

    with serving(answer) as url:
        try:
            return HttpCalls(url).post("/v1/publish", b"{}"), asked
        except BellwireError as error:
            return error, asked


@pytest.mark.parametrize("broken", [DIED, (500, b"<html>"), (502, b""), (503, {"message": "x"})])
def test_a_function_that_died_is_asked_again(broken: Answer) -> None:
    assert ask([broken, broken, (200, {"ok": True})]) == (b'{"ok": true}', 3)


def test_what_the_service_says_itself_is_final() -> None:
    error, asked = ask([FAULT])
    assert (type(error), error.message, asked) == (Internal, "in the log", 1)


def test_nobody_is_asked_for_ever() -> None:
    error, asked = ask([DIED])
    assert (type(error), asked) == (Upstream, 5)
