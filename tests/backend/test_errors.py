"""What an error from the wire becomes, and which errors are no reason to give up."""

import pytest

from bellwire.errors import (
    BadCursor,
    BellwireError,
    Conflict,
    Internal,
    Malformed,
    NotAllowed,
    TooMany,
    Unauthenticated,
    Upstream,
    from_wire,
    may_pass,
    to_wire,
)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("bad_cursor", 400, BadCursor),
        ("internal", 500, Internal),
        ("of_tomorrow", 400, Malformed),
        ("of_tomorrow", 401, Unauthenticated),
        ("of_tomorrow", 403, NotAllowed),
        ("of_tomorrow", 409, Conflict),
        ("of_tomorrow", 429, TooMany),
        ("of_tomorrow", 500, Internal),
        ("of_tomorrow", 503, Upstream),
        (7, 502, Upstream),
    ],
)
def test_an_unknown_code_is_taken_by_its_status(
    code: object, status: int, kind: type[BellwireError]
) -> None:
    assert type(from_wire(code, "m", status=status)) is kind


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (from_wire("upstream", "m"), True),
        (from_wire("too_many", "m"), True),
        (from_wire("internal", "m", is_retryable=False), True),
        (from_wire("upstream", "m", is_retryable=False), False),
        (from_wire("not_allowed", "m"), False),
        (from_wire("not_allowed", "m", is_retryable=True), True),
        (from_wire("unauthenticated", "m", is_retryable="yes"), False),
        (Malformed("m"), False),
    ],
)
def test_what_may_pass_is_said_by_the_wire(error: BellwireError, *, passes: bool) -> None:
    assert may_pass(error) is passes


def test_what_the_wire_said_is_said_again() -> None:
    error = from_wire("upstream", "m", is_retryable=False)
    wire = {"code": "upstream", "message": "m", "retryable": False}
    assert to_wire(error) == {"error": wire}
