"""Signature Version 4 over a request that is sent by whatever sends requests. botocore signs."""

from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from bellwire.identity_ports import Credentials, Keys


def sign_headers(
    keys: Keys | Credentials,
    service: str,
    region: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
) -> dict[str, str]:
    """Return the headers of a request with its signature among them.

    Args:
        service: as the signature names it: `"execute-api"`, `"iotdata"`, `"iot"`, `"sts"`, …
    """
    request = AWSRequest(method, url, data=body, headers=dict(headers))
    found = BotoCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    SigV4Auth(found, service, region).add_auth(request)
    return dict(request.headers.items())
