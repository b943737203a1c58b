"""The public keys of OpenID Connect issuers: discovered, fetched, cached, fetched again.

Sources: https://openid.net/specs/openid-connect-discovery-1_0.html, RFC 7517.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import urllib3

from bellwire_local.identity.fetching import (
    FETCH_WAIT_S,
    ProviderUnreachable,
    fetch,
    read_object,
)
from bellwire_local.identity.oidc_tokens import ALGORITHMS, KeyFinder, SigningKey
from bellwire_local.identity.refusals import CognitoRefusal

logger = logging.getLogger(__name__)

# Ours: how AWS keeps keys is not documented.
GOOD_FOR_S = 3600.0
RETRY_AFTER_S = 2.0
"""How soon an issuer is asked again that did not answer, or for a key it did not have."""

_PREFIXES = {"RSA": "RS", "EC": "ES"}

Fetch = Callable[[str], Mapping[str, SigningKey]]
"""Issuer → its keys by key id; raises ProviderUnreachable. May block: runs in a thread."""


class KeysWanted(Exception):
    """An answer has to wait until the keys of `issuer` were fetched."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        super().__init__(f"the keys of {issuer}")


@dataclass(frozen=True, slots=True)
class _Fetched:
    keys: Mapping[str, SigningKey]
    at_s: float
    fault: str | None = None


class ProviderKeys:
    """The keys that issuers have shown us."""

    def __init__(self, fetch: Fetch, clock_s: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock_s = clock_s
        self._fetched: dict[str, _Fetched] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}

    def finder(self, issuer: str, now_s: float) -> KeyFinder:
        """Return a way to look the issuer's keys up at this time."""
        return lambda key_id: self.find(issuer, key_id, now_s)

    def find(self, issuer: str, key_id: str | None, now_s: float) -> SigningKey | None:
        """Return a key of an issuer, its only one where `key_id` is None; None if it has no such.

        Raises:
            KeysWanted: they have to be fetched first.
            CognitoRefusal: the issuer does not answer.
        """
        fetched = self._fetched.get(issuer)
        if fetched is None or not 0 <= now_s - fetched.at_s < GOOD_FOR_S:
            raise KeysWanted(issuer)
        key = _pick(fetched.keys, key_id)
        if key is None and now_s - fetched.at_s >= RETRY_AFTER_S:
            raise KeysWanted(issuer)  # keys are rotated: there may be a new one
        if key is None and fetched.fault is not None:
            raise CognitoRefusal("ExternalServiceException", fetched.fault)
        return key

    async def fetch(self, issuer: str) -> None:
        """Ask an issuer for its keys, once for everybody who waits; failing is remembered too."""
        task = self._fetching.get(issuer)
        if task is None:
            task = asyncio.create_task(self._fetch_once(issuer))
            self._fetching[issuer] = task
            task.add_done_callback(lambda _: self._fetching.pop(issuer, None))
        await asyncio.shield(task)

    async def _fetch_once(self, issuer: str) -> None:
        fault, keys = None, dict[str, SigningKey]()
        try:
            keys.update(await asyncio.to_thread(self._fetch, issuer))
        except ProviderUnreachable as error:
            fault = f"The keys of {issuer} cannot be fetched: {error}"
            logger.warning("%s", fault)
        self._fetched[issuer] = _Fetched(keys, self._clock_s(), fault)


def fetch_keys(issuer: str) -> Mapping[str, SigningKey]:
    """Fetch an issuer's keys over HTTP; blocks for FETCH_WAIT_S at most.

    Raises:
        ProviderUnreachable: it does not answer in time, or not with keys.
    """
    deadline_s = time.monotonic() + FETCH_WAIT_S
    with urllib3.PoolManager(retries=False) as pool:
        place = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        configuration = _fetch_json(pool, place, deadline_s)
        key_set = _fetch_json(pool, read_key_address(issuer, configuration), deadline_s)
    return read_key_set(key_set)


def read_key_address(issuer: str, configuration: Mapping[str, object]) -> str:
    """Read where an issuer's keys are out of `{"issuer": "https://…", "jwks_uri": "https://…"}`.

    An issuer at https must not send us elsewhere than to https.
    Source: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata

    Raises:
        ProviderUnreachable: it is another issuer's, or names no address of that kind.
    """
    named, address = configuration.get("issuer"), configuration.get("jwks_uri")
    if named != issuer:
        raise ProviderUnreachable(f"its configuration says {named!r:.200}; {issuer!r} is expected")
    schemes = ("https://",) if issuer.lower().startswith("https://") else ("https://", "http://")
    if not isinstance(address, str) or not address.startswith(schemes):
        expected = " or ".join(f"{scheme}…" for scheme in schemes)
        raise ProviderUnreachable(f"its jwks_uri is {address!r:.200}; {expected} is expected")
    return address


def read_key_set(key_set: Mapping[str, object]) -> dict[str, SigningKey]:
    """Read the keys that may sign; others, shared secrets among them, are left out."""
    listed = key_set.get("keys")
    keys = {}
    for place, entry in enumerate(listed if isinstance(listed, list) else []):
        key = _read_key(entry)
        if key is not None:
            keys[str(entry.get("kid", f"#{place}"))] = key
    return keys


def _read_key(entry: object) -> SigningKey | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    prefix = _PREFIXES.get(str(entry.get("kty")), "no such")
    fitting = tuple(name for name in ALGORITHMS if name.startswith(prefix))
    named = entry.get("alg")
    algorithms = fitting if named is None else tuple(name for name in fitting if name == named)
    if not algorithms:
        return None
    try:
        return SigningKey(jwt.PyJWK(entry, algorithms[0]).key, algorithms)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None  # of a curve or a form that is not known here


def _pick(keys: Mapping[str, SigningKey], key_id: str | None) -> SigningKey | None:
    if key_id is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(key_id)


def _fetch_json(pool: urllib3.PoolManager, url: str, deadline_s: float) -> Mapping[str, Any]:
    status, body = fetch(pool, url, deadline_s)
    if status != 200:
        raise ProviderUnreachable(f"{url} answers {status}")
    return read_object(url, body)
