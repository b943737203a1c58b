"""The public keys of an issuer, fetched from its JWKS URL and fetched again when it rotates them.

Source: RFC 7517, section 5; OpenID Connect Core 1.0, section 10.1.1 (rotation: a token that names
an unknown key is the sign to look again).
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
FAMILIES: Final = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("EdDSA",)}
"""How the algorithms of each kind of key begin; a symmetric key that everybody can fetch is none.
Source: RFC 7518, section 3.1, and RFC 8037, section 3.1."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A public key as PyJWT takes it; `algorithm` is all it is for, if its issuer says so."""

    key: object
    kind: str
    algorithm: str | None


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
        self._keys: Mapping[str | None, _Key] = {}
        self._fetched_s = self._tried_s = float("-inf")

    def find(self, key_id: str | None, algorithm: str) -> object:
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
        if not _is_for(key, algorithm):
            raise Unauthenticated("the token's key is not for the algorithm that it is signed with")
        return key.key

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


def _choose(keys: Mapping[str | None, _Key], key_id: str | None) -> _Key | None:
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


def _is_for(key: _Key, algorithm: str) -> bool:
    return key.algorithm in (None, algorithm) and algorithm.startswith(FAMILIES[key.kind])


def _read_keys(body: bytes) -> dict[str | None, _Key]:
    try:
        listed: Any = json.loads(body)["keys"]
        usable = [
            one for one in listed if one["kty"] in tuple(FAMILIES) and one.get("use") != "enc"
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Upstream(f"expected a JSON Web Key Set, found {body[:80]!r}") from error
    keys: dict[str | None, _Key] = {}
    for one in usable:
        try:
            key = _Key(jwt.PyJWK.from_dict(one).key, one["kty"], one.get("alg"))
            keys[one.get("kid")] = key
        except (jwt.PyJWTError, NotImplementedError, TypeError) as error:
            logger.warning("a key of the issuer cannot be used: %.200s", error)
    return keys
