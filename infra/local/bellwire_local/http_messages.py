"""An HTTP request and its answer as values, so that the operations behind the port stay pure."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request read to its end.

    `path` and `query` are still percent-encoded, header names in lower case; `body` is None when it
    was larger than what is kept, `body_bytes` its size all the same.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes | None
    body_bytes: int
    body_sha256: str
    source_ip: str


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer ready to be sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


Answer = HttpAnswer | Awaitable[HttpAnswer]
Operation = Callable[[HttpRequest], Answer]
"""A service: most answer at once; what has to ask others over the network answers in its time."""
