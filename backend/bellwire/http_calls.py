"""HTTP calls to a Bellwire service; its errors come back as the errors they were."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final, Protocol
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
)

from bellwire.config import LOOPBACK
from bellwire.errors import (
    BellwireError,
    Malformed,
    NotAllowed,
    NotFound,
    TooLarge,
    TooMany,
    Unauthenticated,
    Upstream,
    from_wire,
)
from bellwire.wire_json import decode_json

THREADS: Final = 10
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
ONE_TRY: Final = urllib3.Retry(
    total=None, connect=0, read=0, redirect=5, status=0, other=0, allowed_methods=None
)
"""What urllib3 does by itself: follow redirects. Each try of ours is proven anew."""

SIGNED_FOR_S: Final = 300
"""How long a signature holds. Source: the "5 min." in AWS's refusal texts."""

_BY_STATUS: Final[Mapping[int, type[BellwireError]]] = {
    401: Unauthenticated,
    403: NotAllowed,
    404: NotFound,
    413: TooLarge,
    429: TooMany,
}
"""What API Gateway says by itself has no code of ours, e.g. 403 `{"message":"Forbidden"}`."""


class Proof(Protocol):
    """Proves who calls: by a key, or by a signature of each try of each request."""

    def headers(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Mapping[str, str]:
        """Return the headers of a request with what proves it among them.

        Raises:
            Unauthenticated: it cannot be proven any more.
        """
        ...

    def explain_refusal(self, method: str, path: str) -> str | None:
        """Say what it takes to be allowed a request; None if there is nothing to add."""
        ...

    @property
    def is_signature(self) -> bool:
        """Whether it holds for one host and a few minutes."""
        ...


class HttpCalls:
    """Calls one service over kept-alive connections.

    Attributes:
        ahead_s: by how much the service's clock was ahead of ours at its last answer; 0.0 if it
            did not tell.
    """

    def __init__(self, url: str, proof: Proof | None = None) -> None:
        self._url = url
        self._proof = proof
        # Threads that call at once keep their connections.
        self._pool = urllib3.PoolManager(maxsize=THREADS, timeout=TIMEOUT)
        self.ahead_s = 0.0

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
        # Not "+" for a blank: a signature's reader takes it for itself.
        asked = f"{path}?{urlencode(query, quote_via=quote)}" if query else path
        return self._call("GET", asked, headers or {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """Post a JSON body; raises as `get` does."""
        typed = {"content-type": "application/json", **(headers or {})}
        return self._call("POST", path, typed, body)

    def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> bytes:
        try:
            response = self._try(method, path, headers, body)
        except HTTPError as error:
            raise Upstream(f"cannot reach {self._url}: {_reason(self._url, error)}") from error
        if response.status != 200:
            raise self._explained(_error_of(response.status, response.data), method, path)
        return response.data

    def _try(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        """Try until there is an answer to keep, or none can be had."""
        retries = RETRY
        while True:
            try:
                response = self._send(method, path, headers, body)
            except MaxRetryError as error:
                retries = retries.increment(method, path, error=error.reason)
                retries.sleep()
                continue
            self._note_date(response.headers.get("date"))
            has_said_when = "retry-after" in response.headers
            may_pass = retries.is_retry(method, response.status, has_said_when)
            if not may_pass and not _has_died(response):
                return response
            try:
                retries = retries.increment(method, path, response=response)
            except MaxRetryError:
                return response
            retries.sleep(response)

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        url, proof = self._url + path, self._proof
        if proof is not None:
            headers = proof.headers(method, url, headers, body or b"")
        return self._pool.request(
            method,
            url,
            body=body,
            headers=headers,
            retries=ONE_TRY,
            redirect=proof is None or not proof.is_signature,
        )

    def _note_date(self, date: str | None) -> None:
        try:
            self.ahead_s = parsedate_to_datetime(date or "").timestamp() - time.time()
        except ValueError:
            self.ahead_s = 0.0

    def _explained(self, error: BellwireError, method: str, path: str) -> BellwireError:
        """Add to a refusal what it takes, which only whoever signed knows."""
        proof = self._proof
        if proof is None or not isinstance(error, NotAllowed | Unauthenticated):
            return error
        if proof.is_signature and abs(self.ahead_s) > SIGNED_FOR_S - 30:
            return Unauthenticated(describe_skew(self._url, self.ahead_s))
        more = proof.explain_refusal(method, path.partition("?")[0])
        return error if more is None else type(error)(f"{error.message}: {more}")


def describe_skew(url: str, ahead_s: float) -> str:
    """Say that this machine's clock is not the service's."""
    way = "behind" if ahead_s > 0 else "ahead of"
    return (
        f"this machine's clock is {abs(ahead_s):.0f} s {way} that of {url}: a signature holds for"
        f" {SIGNED_FOR_S} s, set the clock"
    )


def _has_died(response: urllib3.BaseHTTPResponse) -> bool:
    """Tell whether a function ended without an answer of its own; another instance has one.

    Source: API Gateway guide, HTTP APIs, Lambda integrations: 500 "Internal Server Error".
    """
    try:
        said = decode_json(response.data)
    except Malformed:
        said = None
    is_ours = isinstance(said, dict) and "error" in said
    return response.status == 500 and not is_ours


def _reason(url: str, error: HTTPError) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, NameResolutionError):
        return "the name does not resolve"
    if isinstance(cause, NewConnectionError):
        is_here = urlsplit(url).hostname in LOOPBACK
        return "connection refused" + ("; is `bellwire dev` running?" if is_here else "")
    return str(cause)


def _error_of(status: int, body: bytes) -> BellwireError:
    try:
        wire = decode_json(body)
    except Malformed:
        wire = None
    match wire:
        case {"error": {"code": code, "message": message, **more}}:
            told = more.get("retryable")
            return from_wire(code, message, status=status, is_retryable=told)
        case {"message": str(message)} if status in _BY_STATUS:
            return _BY_STATUS[status](f"HTTP {status} {message}")
        case _:
            return Upstream(
                f"the service answered HTTP {status}: {body[:200].decode(errors='replace')!r}"
            )
