"""A stand-in for unmodified clients: plain and TLS, and one role that may do everything."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from bellwire_local.accounts import Account, PoolSettings, Role
from bellwire_local.clocks import Clocks
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import ThreadedStandIn, running_in_thread
from signing import REGION, Keys, presign

if TYPE_CHECKING:
    from mypy_boto3_cognito_identity import CognitoIdentityClient

ACCOUNT_ID = "000000000000"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["iot:*", "cognito-identity:*"], "Resource": "*"}],
}


MEMBER = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["iot:*", "cognito-identity:*"], "Resource": "*"}],
}
MEMBERS_OF_THE_POOL = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": "cognito-identity.amazonaws.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {"cognito-identity.amazonaws.com:aud": "{pool}"},
                "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"},
            },
        }
    ],
}
DEVELOPER = "login.example"
GUEST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "iot:Connect",
            "Resource": "arn:aws:iot:*:*:client/${cognito-identity.amazonaws.com:sub}",
        },
        {"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:*:*:topic/guest/*"},
    ],
}


@dataclass
class Clock:
    """A monotonic clock that can be moved ahead."""

    ahead_s: float = 0

    def monotonic_s(self) -> float:
        return time.monotonic() + self.ahead_s


@dataclass(frozen=True)
class Endpoint:
    """Where the stand-in is, and credentials with every right over its topics."""

    running: ThreadedStandIn
    iot_url: str
    tls_url: str
    ca_path: Path
    aws_url: str
    keys: Keys
    clock: Clock

    def pass_time(self, seconds: float) -> None:
        """Move the stand-in's clock ahead, for rates that would have to be waited for."""
        self.clock.ahead_s += seconds

    def presigned(self, keys: Keys | None = None) -> str:
        return presign(self.iot_url, keys or self.keys)

    def cognito(self) -> "CognitoIdentityClient":
        client: CognitoIdentityClient = self.boto3("cognito-identity")
        return client

    def boto3(self, service: str, keys: Keys | None = None) -> Any:
        """Make an unmodified boto3 client that signs with these credentials, or with ours."""
        signer = keys or self.keys
        return boto3.client(
            service,  # type: ignore[call-overload]  # one line for every service
            region_name=REGION,
            endpoint_url=self.aws_url,
            aws_access_key_id=signer.access_key_id,
            aws_secret_access_key=signer.secret_access_key,
            aws_session_token=signer.session_token,
        )

    def guest(self) -> tuple[str, Keys]:
        """Return the identity id and the temporary credentials of a new guest."""
        cognito, pool_id = self.cognito(), self.running.stand_in.identity_pool_id
        identity_id = cognito.get_id(IdentityPoolId=pool_id)["IdentityId"]
        issued = cognito.get_credentials_for_identity(IdentityId=identity_id)["Credentials"]
        return identity_id, Keys(issued["AccessKeyId"], issued["SecretKey"], issued["SessionToken"])


@contextlib.contextmanager
def running_endpoint(directory: Path) -> Iterator[Endpoint]:
    """Start a stand-in on free ports, with what it keeps in a directory."""
    roles = {
        "everything": Role(EVERYTHING),
        "guest_role": Role(GUEST),
        "member_role": Role(MEMBER, MEMBERS_OF_THE_POOL),
    }
    settings = StandInSettings(
        data_dir=directory,
        accounts={ACCOUNT_ID: Account(roles)},
        pool=PoolSettings(authenticated_role="member_role", developer_provider=DEVELOPER),
        iot_port=0,
        aws_port=0,
        iot_tls_port=0,
    )
    clock = Clock()
    stand_in = StandIn(settings, Clocks(monotonic_s=clock.monotonic_s))
    with running_in_thread(stand_in) as running:
        issued = stand_in.credentials_for("everything", "client")
        yield Endpoint(
            running,
            stand_in.iot_url,
            str(stand_in.iot_tls_url).replace("127.0.0.1", "localhost"),
            directory / "local_ca.pem",
            stand_in.aws_url,
            Keys(issued.access_key_id, issued.secret_access_key, issued.session_token),
            clock,
        )
