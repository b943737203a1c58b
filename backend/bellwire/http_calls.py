"""HTTP calls to a Bellwire service; its errors come back as the errors they were."""

from collections.abc import Mapping
from typing import Final

import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from bellwire.errors import BellwireError, Malformed, Upstream, from_wire
from bellwire.wire_json import decode_json

TIMEOUT: Final = urllib3.Timeout(connect=5, read=30)

# Repeated only where repeating is safe: reads, and publishes whose updates all carry ids. What was
# never sent (a refused connection) is the caller's to see at once.
RETRY: Final = urllib3.Retry(
    total=5,
    connect=0,
    read=4,
    status=4,
    other=0,
    allowed_methods=None,
    status_forcelist={429, 502, 503, 504},
    backoff_factor=0.1,
    backoff_jitter=0.2,
    backoff_max=3,
    raise_on_status=False,
)


class HttpCalls:
    """Calls one service over kept-alive connections."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=RETRY)

    def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Get a path's body.

        Raises:
            BellwireError: what the service answered, or `Upstream` if it cannot be reached.
        """
        return self._call("GET", path, fields=query, headers=headers or {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """Post a JSON body; raises as `get` does."""
        return self._call(
            "POST",
            path,
            body=body,
            headers={"content-type": "application/json", **(headers or {})},
        )

    def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        fields: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> bytes:
        try:
            response = self._pool.request(
                method, self._url + path, fields=fields, body=body, headers=headers
            )
        except HTTPError as error:
            raise Upstream(f"cannot reach {self._url}: {_reason(error)}") from error
        if response.status != 200:
            raise _error_of(response.status, response.data)
        return response.data


def _reason(error: HTTPError) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, NameResolutionError):
        return "the name does not resolve"
    if isinstance(cause, NewConnectionError):
        return "connection refused; is `bellwire dev` running?"
    return str(cause)


def _error_of(status: int, body: bytes) -> BellwireError:
    try:
        wire = decode_json(body)
    except Malformed:
        wire = None
    match wire:
        case {"error": {"code": code, "message": message}}:
            return from_wire(code, message)
        case _:
            return Upstream(
                f"the service answered HTTP {status}: {body[:200].decode(errors='replace')!r}"
            )
