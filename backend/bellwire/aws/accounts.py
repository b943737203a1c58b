"""An AWS account as a developer's machine knows it: profiles, and where its services are."""

from typing import Any

import boto3
from botocore.exceptions import BotoCoreError

from bellwire.errors import Unauthenticated
from bellwire.identity_ports import Keys


def keys_of_profile(name: str) -> Keys:
    """Return the credentials of a profile, e.g. one that assumes a role.

    Raises:
        Unauthenticated: there is no such profile, or it has no credentials now.
    """
    try:
        found = boto3.Session(profile_name=name).get_credentials()
        if found is None:
            raise Unauthenticated(f"the AWS profile {name!r} has no credentials")
        frozen = found.get_frozen_credentials()
    except BotoCoreError as error:
        raise Unauthenticated(f"the AWS profile {name!r} does not work: {error}") from error
    return Keys(frozen.access_key or "", frozen.secret_key or "", frozen.token)


def endpoint_of(service: str, region: str) -> str:
    """Return a service's URL, e.g. of `"sts"`: the SDK's own, or what AWS_ENDPOINT_URL_… says."""
    client: Any = boto3.client(
        service,  # type: ignore[call-overload]  # any of the services that are asked
        region_name=region,
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106 - nothing is asked with it
    )
    return str(client.meta.endpoint_url).rstrip("/")
