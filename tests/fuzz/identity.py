"""Cognito Identity and STS: whatever is posted, tokens and policies in it too, gets an answer."""

import json
import logging
import sqlite3
from itertools import count
from urllib.parse import urlencode

import atheris
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

with atheris.instrument_imports(include=["bellwire_local"]):
    from bellwire_local.accounts import Account, PoolSettings, Role
    from bellwire_local.clocks import Clocks
    from bellwire_local.http_messages import HttpAnswer, HttpRequest
    from bellwire_local.identity.assembly import IdentitySettings, assemble_identity
    from bellwire_local.identity.credentials import CredentialIssuer
    from bellwire_local.identity.decisions import DecisionLog
    from bellwire_local.identity.keyring import Keyring
    from bellwire_local.identity.quotas import IdentityQuotas

from fuzz.running import run

HOME, POOL_GUID = "111122223333", "00000000-0000-4000-8000-000000000000"
POOL_ID = f"eu-central-1:{POOL_GUID}"
COGNITO = "AWSCognitoIdentityService."
MASTER_KEY = b"key of the fuzzer"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
}
SECONDS = count(0, 10)
"""A monotonic clock that runs ahead of every rate."""

SERVICES = assemble_identity(
    IdentitySettings(
        region="eu-central-1",
        home=HOME,
        pool_id=POOL_ID,
        accounts={HOME: Account({"guest_role": Role(POLICY)})},
        pool=PoolSettings(),
        quotas=IdentityQuotas(),
    ),
    Keyring(MASTER_KEY, POOL_GUID, generate_private_key(65_537, 2048)),
    CredentialIssuer(MASTER_KEY),
    sqlite3.connect(":memory:", isolation_level=None),
    Clocks(lambda: 1_800_000_000.0, lambda: float(next(SECONDS))),
    DecisionLog(),
)


def ask(drawn: bytes) -> HttpAnswer:
    """Post the body, all after the first line, to the operation of Cognito in the first line, or
    to STS if that is empty."""
    operation, _, body = drawn.partition(b"\n")
    headers = {"x-amz-target": COGNITO + operation.decode("latin-1")} if operation else {}
    request = HttpRequest("POST", "/", "", headers, body, len(body), "", "127.0.0.1")
    answer = (SERVICES.cognito if operation else SERVICES.sts).answer(request)
    if not isinstance(answer, HttpAnswer):
        raise TypeError("the answer waits for an issuer's keys, and there is no such issuer")
    return answer


def check(drawn: bytes) -> None:
    """Expect an answer, whatever it is, that is not an excuse."""
    answer = ask(drawn)
    if answer.status >= 500:
        raise AssertionError(f"{answer.status} for {drawn!r}")


def ask_cognito(operation: str, **parameters: object) -> dict[str, str]:
    """Call an operation that succeeds."""
    answer = ask(f"{operation}\n{json.dumps(parameters)}".encode())
    found: dict[str, str] = json.loads(answer.body)
    return found


def make_seeds() -> list[bytes]:
    """Write requests that succeed, so that changes of them get far, and one with a login."""
    identity_id = ask_cognito("GetId", IdentityPoolId=POOL_ID)["IdentityId"]
    token = ask_cognito("GetOpenIdToken", IdentityId=identity_id)["Token"]
    login = {"cognito-identity.amazonaws.com": token}
    assume = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": f"arn:aws:iam::{HOME}:role/guest_role",
        "RoleSessionName": "name",
        "WebIdentityToken": token,
        "Policy": json.dumps(POLICY),
    }
    seeds = [
        b"GetId\n" + json.dumps({"IdentityPoolId": POOL_ID}).encode(),
        b"GetOpenIdToken\n" + json.dumps({"IdentityId": identity_id}).encode(),
        b"GetCredentialsForIdentity\n" + json.dumps({"IdentityId": identity_id}).encode(),
        b"\n" + urlencode(assume).encode(),
    ]
    for seed in seeds:
        if ask(seed).status != 200:
            raise AssertionError(f"{seed!r} should succeed: {ask(seed).body!r}")
    with_login = json.dumps({"IdentityId": identity_id, "Logins": login})
    return [*seeds, b"GetCredentialsForIdentity\n" + with_login.encode()]


if __name__ == "__main__":
    logging.disable()  # every refusal is logged
    run(check, make_seeds())
