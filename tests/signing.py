"""AWS IoT's presigned WebSocket URL, made by botocore."""

from dataclasses import dataclass
from urllib.parse import quote

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-east-1"


@dataclass(frozen=True)
class Keys:
    """Credentials as AWS hands them out."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None


def presign(
    url: str, keys: Keys, *, service: str = "iotdevicegateway", region: str = REGION
) -> str:
    """Sign `ws://host:port/mqtt`; the token comes after the signature, as AWS IoT asks."""
    request = AWSRequest("GET", url.replace("ws", "http", 1))
    credentials = Credentials(keys.access_key_id, keys.secret_access_key)
    SigV4QueryAuth(credentials, service, region, expires=86400).add_auth(request)
    signed = str(request.url).replace("http", "ws", 1)
    if keys.session_token is None:
        return signed
    return f"{signed}&X-Amz-Security-Token={quote(keys.session_token, safe='')}"
