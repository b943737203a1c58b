"""The SDK's usual credentials, as they sign calls to an HTTP API of API Gateway.

Source: boto3 guide, "Credentials", for the order in which they are looked for.
"""

import os
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import boto3
from botocore.credentials import Credentials as BotoCredentials
from botocore.exceptions import BotoCoreError

from bellwire.aws.accounts import keys_of_profile
from bellwire.aws.signing import sign_headers
from bellwire.errors import Unauthenticated
from bellwire.identity_ports import Credentials, Keys

SERVICE: Final = "execute-api"
_HOST: Final = re.compile(r"([a-z0-9]+)\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")


class Signer:
    """Signs each try of each request with what the credentials are then: a `Proof`."""

    is_signature = True

    def __init__(self, url: str, region: str, credentials: BotoCredentials) -> None:
        """Sign nothing yet.

        Args:
            url: of the API.
            region: where it is.
            credentials: they renew themselves where that can be.
        """
        found = _HOST.fullmatch(urlsplit(url).hostname or "")
        self._api_id = "*" if found is None else found[1]
        self._region = region
        self._credentials = credentials

    def headers(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Mapping[str, str]:
        """See `Proof.headers`."""
        return sign_headers(self._keys(), SERVICE, self._region, method, url, headers, body)

    def explain_refusal(self, method: str, path: str) -> str:
        """See `Proof.explain_refusal`."""
        arn = f"arn:aws:{SERVICE}:{self._region}:*:{self._api_id}/*/{method}{path}"
        return f"{self.name} should be of somebody who is allowed {SERVICE}:Invoke on {arn}"

    @property
    def name(self) -> str:
        """Whose signature it is, e.g. `"the AWS credentials AKIA… (env)"`."""
        method = self._credentials.method or "given"
        return f"the AWS credentials {self._keys().access_key_id} ({method})"

    def _keys(self) -> Keys:
        return keys_now(self._credentials)


def find_signer(url: str, region: str | None = None) -> Signer | None:
    """Look for credentials where the SDK does; None if there are none.

    Args:
        url: of the API.
        region: where it is; None: its host tells, or AWS_REGION, AWS_DEFAULT_REGION or the profile.

    Raises:
        Unauthenticated: the credentials cannot be had, or the region is not known.
    """
    try:
        session = boto3.Session()
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise Unauthenticated(f"the AWS credentials do not work: {error}") from error
    if credentials is None:
        return None
    where = region or region_of(url) or own_region(session)
    if where is None:
        raise Unauthenticated(
            f"expected the AWS region of {url}: it is not in the host's name, set AWS_REGION"
        )
    return Signer(url, where, credentials)


def signer_of_profile(name: str, url: str, region: str) -> Signer:
    """Sign with the credentials of a profile.

    Raises:
        Unauthenticated: there is no such profile, or it has no credentials now.
    """
    keys = keys_of_profile(name)
    return Signer(url, region, _frozen(keys, f"profile {name}"))


def signer_of_keys(keys: Keys | Credentials, name: str, url: str, region: str) -> Signer:
    """Sign with credentials that are given; `name` says whose they are."""
    return Signer(url, region, _frozen(keys, name))


def region_of(url: str) -> str | None:
    """Read the region in an API's own host name, e.g. `abc.execute-api.eu-west-1.amazonaws.com`."""
    found = _HOST.fullmatch(urlsplit(url).hostname or "")
    return None if found is None else found[2]


def own_region(session: boto3.Session) -> str | None:
    """Return the region that this process works in; AWS_REGION is not read by boto3 itself."""
    return os.environ.get("AWS_REGION") or session.region_name


def keys_now(credentials: BotoCredentials) -> Keys:
    """Return what credentials are at the moment, renewed if need be.

    Raises:
        Unauthenticated: they have ended, and cannot be renewed.
    """
    try:
        frozen = credentials.get_frozen_credentials()
    except BotoCoreError as error:
        raise Unauthenticated(f"the AWS credentials cannot be renewed: {error}") from error
    return Keys(frozen.access_key or "", frozen.secret_key or "", frozen.token)


def _frozen(keys: Keys | Credentials, method: str) -> BotoCredentials:
    return BotoCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token, method)
