"""Whoever knows only the URL can check what the identity services hand out."""

import json
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.request import urlopen

import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from jwt.utils import base64url_decode

from infra.local.identity.conftest import SETTINGS, MakeCloud

if TYPE_CHECKING:
    from infra.local.identity.conftest import Cloud

LOOK_UP = """
import json, sys
from pathlib import Path
from bellwire_local.identity.credentials import CredentialIssuer
from bellwire_local.identity.keyring import open_keyring
asked = json.load(sys.stdin)
issuer = CredentialIssuer(open_keyring(Path(asked["data"])).master_key)
grant = issuer.look_up(asked["key"], asked["token"], asked["now"])
print(json.dumps([grant.principal.identity_id, grant.secret_access_key, grant.expires_at]))
"""


def _configuration(url: str) -> dict[str, str]:
    with urlopen(f"{url}/.well-known/openid-configuration", timeout=10) as answer:
        document: dict[str, str] = json.load(answer)
        return document


def test_a_client_that_knows_only_the_url_verifies_a_token(cloud: "Cloud") -> None:
    identity_id, token = cloud.developer_token()
    configuration = _configuration(cloud.stand_in.aws_url)
    assert configuration["issuer"] == "https://cognito-identity.amazonaws.com"
    keys = jwt.PyJWKClient(configuration["jwks_uri"])
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        ["RS512"],
        audience=cloud.pool_id,
        issuer=configuration["issuer"],
    )
    assert claims["sub"] == identity_id


def test_the_published_numbers_are_the_key(cloud: "Cloud") -> None:
    """Without a JWT library: the signature is RSASSA-PKCS1-v1_5 over the first two parts."""
    _, token = cloud.guest_token()
    with urlopen(_configuration(cloud.stand_in.aws_url)["jwks_uri"], timeout=10) as answer:
        (jwk,) = json.load(answer)["keys"]
    n, e = (int.from_bytes(base64url_decode(jwk[name]), "big") for name in ("n", "e"))
    key = rsa.RSAPublicNumbers(e, n).public_key()
    signed, _, signature = token.rpartition(".")
    key.verify(base64url_decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA512())
    with pytest.raises(InvalidSignature):
        key.verify(base64url_decode(signature), b"x", padding.PKCS1v15(), hashes.SHA512())


def test_the_key_outlives_a_restart(make_cloud: MakeCloud) -> None:
    with make_cloud(SETTINGS) as cloud:
        _, token = cloud.developer_token()
    with make_cloud(SETTINGS) as cloud:
        keys = jwt.PyJWKClient(_configuration(cloud.stand_in.aws_url)["jwks_uri"])
        found = keys.get_signing_key_from_jwt(token)
    assert found.key_id == jwt.get_unverified_header(token)["kid"]


def test_discovery_answers_nothing_else(cloud: "Cloud") -> None:
    for path in ("/.well-known/jwks_uri", "/.well-known/openid-configuration"):
        assert cloud.request("POST", path, {}).status == 405
        assert cloud.request("GET", path, {}).headers["access-control-allow-origin"] == "*"
    assert cloud.request("GET", "/.well-known/other", {}).status == 403


def test_another_process_recognises_credentials_without_a_shared_table(
    make_cloud: MakeCloud,
) -> None:
    with make_cloud(SETTINGS) as cloud:
        guest = cloud.guest()
        asked = {
            "data": str(cloud.stand_in._settings.data_dir),  # noqa: SLF001  # where its keyring is
            "key": guest.access_key_id,
            "token": guest.session_token,
            "now": 0,
        }
    done = subprocess.run(
        [sys.executable, "-c", LOOK_UP],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    identity_id, secret, expires_at = json.loads(done.stdout)
    assert (identity_id, secret) == (guest.identity_id, guest.secret_access_key)
    assert expires_at > 1_700_000_000
