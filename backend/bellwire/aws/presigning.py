"""The presigned URL by which a client opens AWS IoT's websocket."""

from urllib.parse import quote

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from bellwire.identity_ports import Credentials, Keys

SERVICE = "iotdevicegateway"


def presign_iot_url(iot_url: str, region: str, keys: Keys | Credentials) -> str:
    """Sign a websocket URL, e.g. `"wss://…-ats.iot.us-east-1.amazonaws.com/mqtt"`.

    AWS IoT takes the session token after the signature and outside of it, unlike every other
    service; the URL is good for about five minutes.

    Source: IoT guide, "MQTT over the WebSocket protocol" (2020); awsiotsdk leaves the token out of
    the signature as well (`omit_session_token`).
    """
    signed = AWSRequest("GET", iot_url.replace("ws", "http", 1))
    key = BotoCredentials(keys.access_key_id, keys.secret_access_key)
    SigV4QueryAuth(key, SERVICE, region, expires=300).add_auth(signed)
    url = str(signed.url).replace("http", "ws", 1)
    if keys.session_token is None:
        return url
    return f"{url}&X-Amz-Security-Token={quote(keys.session_token, safe='')}"
