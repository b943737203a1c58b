"""An identity pool as a guest calls it: unsigned, since who asks has no credentials yet."""

import time

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from bellwire.aws.cognito import CognitoIdentities


def open_guest_pool(
    region: str, identity_pool_id: str, cognito_url: str | None
) -> CognitoIdentities:
    """Return the pool; `cognito_url` None is AWS's own endpoint of the region."""
    config = Config(
        signature_version=UNSIGNED,
        connect_timeout=5,
        read_timeout=10,
        retries={"total_max_attempts": 3, "mode": "standard"},
    )
    client = boto3.client(
        "cognito-identity", region_name=region, endpoint_url=cognito_url, config=config
    )
    return CognitoIdentities(client, identity_pool_id, now_s=time.time)
