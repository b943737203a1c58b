"""Which logins a stack takes, and what bearers are checked with: of Systems Manager and Secrets
Manager, so that both can change without a deployment.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from bellwire.bearers import Bearers
from bellwire.errors import Internal, Malformed, Upstream
from bellwire.functions.clients import client
from bellwire.functions.settings import Settings
from bellwire.json_web_tokens import Keys, SharedSecret
from bellwire.jwks import JwksKeys, fetch_from
from bellwire.logins import Logins, OwnLogin, Provider
from bellwire.wire_json import decode_json

POOL_KEYS_URL: Final = "https://cognito-identity.amazonaws.com/.well-known/jwks_uri"
"""Source: Cognito guide, developer-authenticated-identities."""

FRESH_S: Final = 300.0
"""How long the stack's rules are used before they are looked at again."""

_OWN_FIELDS: Final[Mapping[str, type]] = {
    **dict.fromkeys(("issuer", "audience", "user_claim", "groups_claim", "jwks_url"), str),
    "leeway_s": int,
}
_PROVIDER_FIELDS: Final[Mapping[str, type]] = dict.fromkeys(("issuer", "groups_claim"), str)


class LoginRules:
    """The rules of a stack, read again now and then."""

    def __init__(self, told: Settings, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._told = told
        self._monotonic_s = monotonic_s
        self._read_at_s = float("-inf")
        self._said: tuple[str, bytes | None] | None = None
        self._logins = Logins()

    def logins(self) -> Logins:
        """Return which logins are taken: as the stack says now, or said `FRESH_S` ago at most.

        Raises:
            Upstream: Systems Manager or Secrets Manager does not answer.
            Internal: the parameter holds something else.
        """
        now_s = self._monotonic_s()
        if now_s - self._read_at_s >= FRESH_S:
            said = self._fetch()
            if said != self._said:  # else the keys of issuers that are known stay so
                self._logins, self._said = read_logins(*said), said
            self._read_at_s = now_s
        return self._logins

    def _fetch(self) -> tuple[str, bytes | None]:
        told = self._told
        found = _fetched(lambda: client("ssm").get_parameter(Name=told.logins_parameter))
        secret = _secret(told.login_secret) if told.login_secret else None
        return str(found["Parameter"]["Value"]), secret


def read_logins(text: str, secret: bytes | None) -> Logins:
    """Read which logins are taken, e.g. `{"own": {"jwks_url": "https://app.example/jwks"},
    "providers": {"accounts.google.com": {"issuer": "https://accounts.google.com"}}}`.

    `own` takes the names of `OwnLogin`; without `jwks_url` the shared secret checks its tokens.
    `providers` are by their keys in the identity pool, each with the names of `Provider`.

    Raises:
        Internal: that is something else.
    """
    try:
        found = decode_json(text.encode())
    except Malformed as error:
        raise Internal(f"the parameter of logins: {error.message}") from error
    if not isinstance(found, dict) or set(found) - {"own", "providers"}:
        raise Internal(f"expected own and providers in the parameter of logins: {text[:80]!r}")
    providers = _object("providers", found.get("providers", {}))
    own = found.get("own")
    return Logins(
        None if own is None else _own(_object("own", own, _OWN_FIELDS), secret),
        {name: Provider(**_object(name, one, _PROVIDER_FIELDS)) for name, one in providers.items()},
    )


def make_bearers(told: Settings) -> Bearers:
    """Return what bearers are checked with; the secret is fetched when the first of ours comes."""
    url = f"{told.cognito_url.rstrip('/')}/.well-known/jwks_uri" if told.cognito_url else ""
    return Bearers(
        pool_id=told.pool_id,
        pool_keys=JwksKeys(fetch_from(url or POOL_KEYS_URL), time.monotonic),
        secret=lambda: _secret(told.bearer_secret),
        stage=told.stage,
        developer_provider=told.developer_provider,
    )


def _own(rules: Mapping[str, Any], secret: bytes | None) -> OwnLogin:
    more = {name: value for name, value in rules.items() if name != "jwks_url"}
    url = rules.get("jwks_url")
    keys: Keys
    if isinstance(url, str):
        keys = JwksKeys(fetch_from(url), time.monotonic)
    elif secret is not None:
        keys = SharedSecret(secret)
    else:
        raise Internal("expected jwks_url in own of the parameter of logins, or a shared secret")
    return OwnLogin(keys, **more)


def _object(name: str, value: object, known: Mapping[str, type] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict) or (known is not None and set(value) - set(known)):
        expected = "an object" if known is None else f"an object of {', '.join(sorted(known))}"
        raise Internal(f"expected {name} in the parameter of logins to be {expected}")
    for key, kind in (known or {}).items():
        if key in value and type(value[key]) is not kind:
            kinds = "a whole number" if kind is int else "a text"
            raise Internal(f"expected {key} of {name} in the parameter of logins to be {kinds}")
    return value


def _secret(arn: str) -> bytes:
    found = _fetched(lambda: client("secretsmanager").get_secret_value(SecretId=arn))
    return str(found["SecretString"]).encode()


def _fetched(fetch: Any) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - boto3 is there now

    try:
        return fetch()
    except (BotoCoreError, ClientError) as error:
        raise Upstream(f"the settings of logins cannot be read: {error}") from error
