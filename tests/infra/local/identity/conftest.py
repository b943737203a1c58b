"""A stand-in with members, a backend and a second account, and boto3 clients for it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from bellwire_local.accounts import Account, PoolSettings, Role
from bellwire_local.clocks import Clocks
from bellwire_local.identity.keyring import KEYRING_FILE, open_keyring
from bellwire_local.identity.quotas import IdentityQuotas
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import running_in_thread
from infra.local.conftest import Aws, Clock, Signer

if TYPE_CHECKING:
    from mypy_boto3_cognito_identity import CognitoIdentityClient
    from mypy_boto3_sts import STSClient

HOME, OTHER = "000000000000", "111111111111"
DEVELOPER = "login.example"


def allow(*actions: str, resource: str = "*") -> dict[str, object]:
    """A policy of one statement."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def trust_pool(kind: str, pool: str = "{pool}", *more_actions: str) -> dict[str, object]:
    """Trust the identity pool's tokens of one kind, as Cognito's documentation shows it."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": "cognito-identity.amazonaws.com"},
        "Action": ["sts:AssumeRoleWithWebIdentity", *more_actions],
        "Condition": {
            "StringEquals": {"cognito-identity.amazonaws.com:aud": pool},
            "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": kind},
        },
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def trust_role(arn: str, **conditions: dict[str, str]) -> dict[str, object]:
    """Trust another role, one of its sessions, or an account."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": arn},
        "Action": "sts:AssumeRole",
        **({"Condition": conditions} if conditions else {}),
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


IOT = allow("iot:*")
BACKEND = allow("cognito-identity:*", "sts:AssumeRole")
ACCOUNTS = {
    HOME: Account(
        {
            "guest_role": Role(IOT),
            "member_role": Role(IOT),
            "backend": Role(BACKEND),
            "powerless": Role(allow("iot:Publish")),
            "narrowed": Role(IOT, trust_role(f"arn:aws:iam::{HOME}:role/backend")),
            "chained": Role(IOT, trust_role(f"arn:aws:iam::{OTHER}:root"), max_session_s=7200),
            "for_one_session": Role(
                IOT, trust_role(f"arn:aws:sts::{HOME}:assumed-role/backend/job")
            ),
            "for_another_session": Role(
                IOT, trust_role(f"arn:aws:sts::{HOME}:assumed-role/backend/other")
            ),
            "with_conditions": Role(
                IOT,
                trust_role(
                    f"arn:aws:iam::{HOME}:role/backend",
                    StringEquals={"sts:ExternalId": "x1"},
                    StringLike={"sts:RoleSessionName": "ann-*"},
                    IpAddress={"aws:SourceIp": "127.0.0.0/8"},
                    DateGreaterThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"},
                ),
            ),
            "for_guests": Role(IOT, trust_pool("unauthenticated"), max_session_s=7200),
            "for_members": Role(IOT, trust_pool("authenticated")),
            "for_tagged_members": Role(
                IOT, trust_pool("authenticated", "{pool}", "sts:TagSession")
            ),
            "for_foreign_pool": Role(IOT, trust_pool("*", "us-east-1:0-0")),
            "trusts_nobody": Role(IOT),
        }
    ),
    OTHER: Account(
        {
            "shared": Role(BACKEND, trust_role(f"arn:aws:iam::{HOME}:root"), max_session_s=43_200),
            "for_members": Role(IOT, trust_pool("authenticated")),
        }
    ),
}


class Cloud(Aws):
    """What a test can do with the identity services from outside."""

    @property
    def pool_id(self) -> str:
        return self.stand_in.identity_pool_id

    def boto(self, service: str, signer: Signer | None) -> Any:
        config = Config(retries={"max_attempts": 0})
        if signer is None:
            config = config.merge(Config(signature_version=UNSIGNED))
        return boto3.client(
            service,  # type: ignore[call-overload]  # one line for two services
            region_name="us-east-1",
            endpoint_url=self.stand_in.aws_url,
            aws_access_key_id=signer.access_key_id if signer else None,
            aws_secret_access_key=signer.secret_access_key if signer else None,
            aws_session_token=signer.session_token if signer else None,
            config=config,
        )

    def pool_client(self, role: str | None = None) -> "CognitoIdentityClient":
        """Cognito Identity as a page calls it, or signed by a role."""
        client: CognitoIdentityClient = self.boto(
            "cognito-identity", self.role(role) if role else None
        )
        return client

    def sts(self, signer: Signer | None = None) -> "STSClient":
        client: STSClient = self.boto("sts", signer)
        return client

    def developer_token(self, user: str = "ann", **more: Any) -> tuple[str, str]:
        """Return identity id and token of a user of the developer's own provider."""
        answer = self.pool_client("backend").get_open_id_token_for_developer_identity(
            IdentityPoolId=self.pool_id, Logins={DEVELOPER: user}, **more
        )
        return answer["IdentityId"], answer["Token"]

    def guest_token(self) -> tuple[str, str]:
        client = self.pool_client()
        identity_id = client.get_id(IdentityPoolId=self.pool_id)["IdentityId"]
        return identity_id, client.get_open_id_token(IdentityId=identity_id)["Token"]


SETTINGS = StandInSettings(
    data_dir=Path("set by the fixture"),
    accounts=ACCOUNTS,
    pool=PoolSettings(authenticated_role="member_role", developer_provider=DEVELOPER),
    iot_port=0,
    aws_port=0,
    identity_quotas=IdentityQuotas.unlimited(),
)

MakeCloud = Callable[[StandInSettings], AbstractContextManager[Cloud]]


@contextmanager
def running_cloud(settings: StandInSettings) -> Iterator[Cloud]:
    """Run a stand-in whose clocks the test moves."""
    clock = Clock()
    clocks = Clocks(clock.wall_s, clock.monotonic_s)
    with running_in_thread(StandIn(settings, clocks)) as running:
        yield Cloud(running, clock)


@pytest.fixture(scope="session")
def keyring_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keyring that is made once: finding an RSA key takes a while."""
    directory = tmp_path_factory.mktemp("keyring")
    open_keyring(directory)
    return directory / KEYRING_FILE


@pytest.fixture
def make_cloud(tmp_path: Path, keyring_file: Path) -> MakeCloud:
    """Start another stand-in, over the same data directory each time."""
    shutil.copy(keyring_file, tmp_path)
    return lambda settings: running_cloud(replace(settings, data_dir=tmp_path))


@pytest.fixture(scope="session")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    settings = replace(SETTINGS, data_dir=tmp_path_factory.mktemp("identity"))
    with running_cloud(settings) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared_cloud: Cloud) -> Iterator[Cloud]:
    """A stand-in shared by all tests of the identity services."""
    yield shared_cloud
    shared_cloud.close_clients()
