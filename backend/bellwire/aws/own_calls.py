"""Calls to AWS that a person makes with the SDK's usual credentials: what is refused is explained.

The endpoints are the SDK's own, or what AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_… say.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
)

from bellwire.aws.own_credentials import own_region
from bellwire.errors import BellwireError, NotAllowed, NotFound, Unauthenticated, Upstream
from bellwire.identity_ports import Credentials

_PATIENCE: Final = Config(
    connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3, "mode": "standard"}
)
_KINDS: Final[Mapping[str, type[BellwireError]]] = {
    "AccessDenied": NotAllowed,
    "AccessDeniedException": NotAllowed,
    "AWS.SimpleQueueService.NonExistentQueue": NotFound,
    "ExpiredToken": Unauthenticated,
    "ExpiredTokenException": Unauthenticated,
    "InvalidAccessKeyId": Unauthenticated,
    "InvalidClientTokenId": Unauthenticated,
    "InvalidSignatureException": Unauthenticated,
    "QueueDoesNotExist": NotFound,
    "SignatureDoesNotMatch": Unauthenticated,
    "UnrecognizedClientException": Unauthenticated,
}
"""What is not `Upstream`. Source: common errors of the query and JSON protocols; SQS API."""


def own_client(service: str, region: str | None = None) -> Any:
    """Return a client with the SDK's usual credentials.

    Args:
        service: e.g. `"sqs"`.
        region: None: AWS_REGION, AWS_DEFAULT_REGION or the profile's.

    Raises:
        Unauthenticated: the profile does not work, or no region is known.
    """
    try:
        session = boto3.Session()
        return session.client(
            service,  # type: ignore[call-overload]  # any of those that are asked
            region_name=region or own_region(session),
            config=_PATIENCE,
        )
    except NoRegionError as error:
        raise Unauthenticated("no AWS region is known: set AWS_REGION") from error
    except BotoCoreError as error:
        raise Unauthenticated(f"the AWS credentials do not work: {error}") from error


@contextmanager
def explained(action: str, resource: str) -> Iterator[None]:
    """Turn what AWS says of a call into an error that names the call.

    Args:
        action: as a policy names it, e.g. `"sqs:SendMessage"`.
        resource: what it is done to.
    """
    try:
        yield
    except ClientError as error:
        found = error.response.get("Error", {})
        code, message = found.get("Code", "unknown"), found.get("Message", "")
        kind = _KINDS.get(code, Upstream)
        raise kind(f"{action} on {resource}: {code}: {message}") from error
    except NoCredentialsError as error:
        raise Unauthenticated(
            f"{action} takes AWS credentials, and there are none: set AWS_PROFILE, or whatever else"
            " the SDK takes"
        ) from error
    except BotoCoreError as error:
        raise Upstream(f"{action} on {resource}: {error}") from error


def assume_role(role_arn: str, session_name: str, region: str) -> Credentials:
    """Assume a role for 15 minutes with the SDK's usual credentials. Raises as `explained` does."""
    with explained("sts:AssumeRole", role_arn):
        issued = own_client("sts", region).assume_role(
            RoleArn=role_arn, RoleSessionName=session_name, DurationSeconds=900
        )["Credentials"]
    return Credentials(
        issued["AccessKeyId"],
        issued["SecretAccessKey"],
        issued["SessionToken"],
        int(issued["Expiration"].timestamp() * 1000),
    )
