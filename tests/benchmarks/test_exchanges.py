"""What requests are put together and counted by."""

import pytest

from benchmarks.exchanges import Chain, Exchange, exchanges_of, longest_chain, name_of
from benchmarks.slow_line import Piece

PAGE = Exchange("page", 0, 1.0, 2.0)
SCRIPT = Exchange("script", 0, 2.0, 3.0)
CONFIG = Exchange("config", 0, 3.1, 4.0)
POLL = Exchange("poll", 1, 3.1, 4.1)
KEYS = Exchange("keys", 2, 4.2, 6.0)


def asks(connection: int, at_s: float, head: bytes) -> Piece:
    return Piece(connection, is_of_page=True, at_s=at_s, head=head)


def tells(connection: int, at_s: float) -> Piece:
    return Piece(connection, is_of_page=False, at_s=at_s, head=b"HTTP/1.1 200 OK\r\n")


def test_pieces_become_exchanges() -> None:
    pieces = [
        asks(0, 1.0, b"GET /a?b=c HTTP/1.1\r\n"),
        asks(1, 1.5, b"POST /late HTTP/1.1\r\n"),
        asks(1, 1.6, b"its body"),
        tells(0, 2.0),
        tells(0, 2.5),
        asks(0, 3.0, b"GET /d HTTP/1.1\r\n"),
        tells(1, 3.5),
        tells(0, 4.0),
        asks(0, 5.0, b"GET /never-answered HTTP/1.1\r\n"),
    ]
    assert exchanges_of(pieces) == [
        Exchange("GET /a", 0, 1.0, 2.5),
        Exchange("POST /late", 1, 1.5, 3.5),
        Exchange("GET /d", 0, 3.0, 4.0),
    ]


@pytest.mark.parametrize(
    ("until_s", "chain"),
    [
        pytest.param(0.5, Chain((), 0), id="nothing yet"),
        pytest.param(4.0, Chain((PAGE, SCRIPT, CONFIG), 1), id="one connection, opened once"),
        pytest.param(4.1, Chain((PAGE, SCRIPT, POLL), 2), id="the latest of equals"),
        pytest.param(9.0, Chain((PAGE, SCRIPT, POLL, KEYS), 2), id="opened ahead of its use"),
    ],
)
def test_only_what_followed_an_answer_is_counted(until_s: float, chain: Chain) -> None:
    opened_s = [0.9, 3.05, 4.05]
    assert longest_chain([PAGE, SCRIPT, CONFIG, POLL, KEYS], opened_s, until_s) == chain


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"GET /v1/updates?channels=public/a HTTP/1.1\r\n", "GET /v1/updates"),
        (b"OPTIONS / HTTP/1.1\r\nhost: a\r\n", "OPTIONS /"),
        (
            b"POST / HTTP/1.1\r\nx-amz-target: AWSCognitoIdentityService.GetId\r\n",
            "POST / GetId",
        ),
        (bytes.fromhex("8282 01020304 1102"), "MQTT CONNECT"),
        (bytes.fromhex("82fe 0080 01020304 8302"), "MQTT SUBSCRIBE"),
        (bytes.fromhex("8880 01020304"), "MQTT frame"),
    ],
)
def test_what_a_page_sends_has_a_name(head: bytes, name: str) -> None:
    assert name_of(head) == name
