"""One GET at a provider over HTTP, bounded in time and size. It blocks, so it runs in a thread."""

import json
import time
from collections.abc import Mapping
from typing import Any

import urllib3

# Ours: how long AWS waits, and for how much, is not documented.
FETCH_WAIT_S = 5.0
"""How long everything that is fetched for one purpose may take together."""
LONGEST_ANSWER_BYTES = 262_144


class ProviderUnreachable(Exception):
    """A provider did not answer, or not as it has to; the message says why."""


def fetch(
    pool: urllib3.PoolManager,
    url: str,
    deadline_s: float,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Fetch what is at an address; return the status and, if that is 200, the body.

    No redirect is followed: it could take `headers` to somebody else.

    Args:
        deadline_s: by the monotonic clock.

    Raises:
        ProviderUnreachable: there is no answer in time, or too long a one.
    """
    try:
        return _fetch(pool, url, deadline_s, headers)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise ProviderUnreachable(f"{url}: {error}") from error


def read_object(url: str, body: bytes) -> Mapping[str, Any]:
    """Read the JSON object that was fetched.

    Raises:
        ProviderUnreachable: it is none.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProviderUnreachable(f"{url}: {error}") from error
    if not isinstance(content, dict):
        raise ProviderUnreachable(f"{url} is not a JSON object")
    return content


def _fetch(
    pool: urllib3.PoolManager, url: str, deadline_s: float, headers: Mapping[str, str] | None
) -> tuple[int, bytes]:
    wait_s = max(0.01, deadline_s - time.monotonic())
    answer = pool.request(
        "GET",
        url,
        headers=headers,
        preload_content=False,
        redirect=False,
        timeout=urllib3.Timeout(wait_s),
    )
    received = b""
    try:
        while answer.status == 200 and (piece := answer.read1(65_536)):
            received += piece
            if len(received) > LONGEST_ANSWER_BYTES or time.monotonic() > deadline_s:
                raise ProviderUnreachable(f"{url} is too long or too slow")
    finally:
        answer.close()
    return answer.status, received
