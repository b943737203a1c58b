"""What a page waited for: its requests, and how many of them had to follow one another.

An exchange is what a connection carries to the server until the server has answered: of HTTP a
request and its answer, of a socket a frame and the one that came for it. No bytes are moved here.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from benchmarks.slow_line import Piece

UNANSWERED_S: Final = 0.0

_REQUEST: Final = re.compile(rb"([A-Z]+) (/[^ ?]*)")
_OPERATION: Final = re.compile(rb"X-Amz-Target: \w+\.(\w+)", re.IGNORECASE)
_PACKETS: Final = {1: "CONNECT", 8: "SUBSCRIBE", 10: "UNSUBSCRIBE", 12: "PINGREQ"}


class Exchange(NamedTuple):
    """A request and its answer, in seconds since the epoch as the page saw them."""

    name: str
    connection: int
    sent_s: float
    answered_s: float


class Chain(NamedTuple):
    """Exchanges of which each was sent after the one before it had been answered."""

    exchanges: tuple[Exchange, ...]
    connects: int
    """How many of them had to open a connection first."""


def exchanges_of(pieces: Sequence[Piece]) -> list[Exchange]:
    """Put together what passed, by when it was sent; what has no answer is left out."""
    found: list[Exchange] = []
    latest: dict[int, int] = {}
    for piece in pieces:
        index = latest.get(piece.connection)
        is_open = index is not None and found[index].answered_s == UNANSWERED_S
        if piece.is_of_page and not is_open:
            latest[piece.connection] = len(found)
            found.append(Exchange(name_of(piece.head), piece.connection, piece.at_s, UNANSWERED_S))
        elif not piece.is_of_page and index is not None:
            found[index] = found[index]._replace(answered_s=piece.at_s)
    answered = [one for one in found if one.answered_s != UNANSWERED_S]
    return sorted(answered, key=lambda one: one.sent_s)


def longest_chain(
    exchanges: Sequence[Exchange], opened_s: Sequence[float], until_s: float
) -> Chain:
    """Find the longest chain among those answered by a moment; of equal ones the latest.

    Args:
        exchanges: in the order in which they were sent.
        opened_s: when each connection was opened.
    """
    chains: list[Chain] = []
    for one in exchanges:
        if one.answered_s > until_s:
            continue
        before = _best([chain for chain in chains if _end_s(chain) <= one.sent_s])
        has_opened = opened_s[one.connection] >= _end_s(before)
        is_first = all(other.connection != one.connection for other in before.exchanges)
        chains.append(
            Chain((*before.exchanges, one), before.connects + int(has_opened and is_first))
        )
    return _best(chains)


def _best(chains: Sequence[Chain]) -> Chain:
    return max(
        chains, key=lambda chain: (len(chain.exchanges), _end_s(chain)), default=Chain((), 0)
    )


def _end_s(chain: Chain) -> float:
    return chain.exchanges[-1].answered_s if chain.exchanges else 0


def name_of(head: bytes) -> str:
    """Name what a page sends: `GET /v1/config`, `POST / GetId`, `MQTT CONNECT`."""
    if request := _REQUEST.match(head):
        operation = _OPERATION.search(head)
        words = [*request.groups(), *(operation.groups() if operation else ())]
        return b" ".join(words).decode()
    return f"MQTT {_packet_of(head)}"


def _packet_of(frame: bytes) -> str:
    """Read the kind of a masked frame's first packet (RFC 6455, 5.2; MQTT 3.1.1, table 2.1)."""
    mask_at = {126: 4, 127: 10}.get(frame[1] & 127, 2)
    first_byte = frame[mask_at] ^ frame[mask_at + 4] if len(frame) > mask_at + 4 else 0
    return _PACKETS.get(first_byte >> 4, "frame")
