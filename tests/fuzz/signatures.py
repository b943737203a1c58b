"""The signature verifier: a request that is not signed is refused, and nothing else happens."""

import json

import atheris

with atheris.instrument_imports(include=["bellwire_local"]):
    from bellwire_local.identity.credentials import CredentialIssuer
    from bellwire_local.identity.principals import Principal
    from bellwire_local.identity.sigv4 import (
        ReceivedRequest,
        SignatureRefused,
        Verifier,
    )

from fuzz.running import run

NOW_S = 1_763_915_045.0
"""2025-11-23T16:24:05Z."""
ISSUER = CredentialIssuer(b"key of the fuzzer")
LONG_LIVED = ISSUER.issue_long_lived(Principal("111122223333", "role", "name"))
VERIFIER = Verifier("eu-central-1", ("iotdata", "iotdevicegateway"), ISSUER.look_up)


def check(drawn: bytes) -> None:
    """Take path and query from the first line, headers from the others, as from a socket."""
    first, *others = drawn.decode("latin-1").split("\n")
    path, _, query = first.partition("?")
    headers = dict(line.partition(":")[::2] for line in others)
    try:
        VERIFIER.verify(ReceivedRequest("GET", path, query, headers), NOW_S)
    except SignatureRefused:
        return
    raise AssertionError(f"{drawn!r} was accepted; nobody signed it")


SCOPE = f"{LONG_LIVED.access_key_id}/20251123/eu-central-1/iotdevicegateway/aws4_request"
QUERY = (
    f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={SCOPE.replace('/', '%2F')}"
    "&X-Amz-Date=20251123T162405Z&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
)
AUTHORIZATION = f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host;x-amz-date, Signature=00"
SEEDS = [
    f"/mqtt?{QUERY}\nhost:localhost:8443".encode(),
    f"/mqtt?{QUERY}&X-Amz-Security-Token=AAAA\nhost:localhost".encode(),
    f"/topics/a%2Fb?qos=1\nhost:x\nx-amz-date:20251123T162405Z\nauthorization:{AUTHORIZATION}".encode(),
    json.dumps({"no": "request"}).encode(),
]

if __name__ == "__main__":
    run(check, SEEDS)
