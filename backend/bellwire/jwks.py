"""The public keys of an issuer, fetched from its JWKS URL and fetched again when it rotates them.

Source: RFC 7517, section 5; OpenID Connect Core 1.0, section 10.1.1 (rotation: a token that names
an unknown key is the sign to look again).
"""

import json
import logging
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final

import jwt
import urllib3
from urllib3.exceptions import HTTPError

from bellwire.errors import Unauthenticated, Upstream
from bellwire.json_web_tokens import ASYMMETRIC

logger = logging.getLogger(__name__)

FRESH_S: Final = 3_600.0
"""How long keys are used before the issuer is asked whether it has withdrawn one. Ours."""

WAIT_S: Final = 10.0
"""How often the issuer is asked at most, whatever keys are named to us. Ours."""

MAX_BYTES: Final = 262_144
KINDS: Final = ("RSA", "EC", "OKP")
"""A symmetric key that everybody can fetch is none."""


class JwksKeys:
    """The `Keys` of a JWKS URL."""

    algorithms = ASYMMETRIC

    def __init__(self, fetch: Callable[[], bytes], monotonic_s: Callable[[], float]) -> None:
        """Fetch nothing yet.

        Args:
            fetch: returns the key set as JSON, or raises `Upstream`.
            monotonic_s: a clock that does not jump.
        """
        self._fetch = fetch
        self._monotonic_s = monotonic_s
        self._lock = Lock()
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._fetched_s = self._tried_s = float("-inf")

    def find(self, key_id: str | None) -> jwt.PyJWK:
        """See `Keys.find`; a token that names no key is for the only one there is.

        One caller fetches; only those whose key is not known yet wait for it.
        """
        is_known = _choose(self._keys, key_id) is not None
        if self._is_due(is_known=is_known) and self._lock.acquire(blocking=not is_known):
            try:
                if self._is_due(is_known=is_known):  # nobody has just done it
                    self._refresh()
            finally:
                self._lock.release()
        key = _choose(self._keys, key_id)
        if key is None:
            raise Unauthenticated("the token is signed with a key that its issuer does not list")
        return key

    def _is_due(self, *, is_known: bool) -> bool:
        now_s = self._monotonic_s()
        is_wanted = not is_known or now_s - self._fetched_s >= FRESH_S
        return is_wanted and now_s - self._tried_s >= WAIT_S

    def _refresh(self) -> None:
        try:
            self._keys = _read_keys(self._fetch())
            self._fetched_s = self._monotonic_s()
        except Upstream as error:
            if not self._keys:
                raise
            logger.warning("the issuer's keys are those of before: %s", error.message)
        self._tried_s = self._monotonic_s()  # from now on nobody waits for it any more


def _choose(keys: Mapping[str | None, jwt.PyJWK], key_id: str | None) -> jwt.PyJWK | None:
    if key_id is None and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(key_id)


def fetch_from(url: str) -> Callable[[], bytes]:
    """Return what fetches a URL's body, for `JwksKeys`."""
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=3, read=3), retries=1)

    def fetch() -> bytes:
        try:
            response = pool.request("GET", url, preload_content=False)
            body: bytes = response.read(MAX_BYTES + 1)
            response.release_conn()
        except HTTPError as error:
            raise Upstream(f"cannot fetch the keys of {url}: {error}") from error
        if response.status != 200 or len(body) > MAX_BYTES:
            raise Upstream(f"expected keys at {url}, found HTTP {response.status}")
        return body

    return fetch


def _read_keys(body: bytes) -> dict[str | None, jwt.PyJWK]:
    try:
        listed: Any = json.loads(body)["keys"]
        usable = [key for key in listed if key["kty"] in KINDS and key.get("use", "sig") == "sig"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Upstream(f"expected a JSON Web Key Set, found {body[:80]!r}") from error
    keys: dict[str | None, jwt.PyJWK] = {}
    for key in usable:
        try:
            keys[key.get("kid")] = jwt.PyJWK.from_dict(key)
        except (jwt.PyJWTError, NotImplementedError, TypeError) as error:
            logger.warning("a key of the issuer cannot be used: %.200s", error)
    return keys
