"""AWS's stand-in as the adapters meet it: Bellwire's own roles, a login provider, two accounts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from bellwire.aws.cognito import CognitoIdentities
from bellwire.aws.iot_connections import IotConnections
from bellwire.aws.iot_grants import IotGrants
from bellwire.aws.sts import RoleElsewhere, StsNarrowing
from bellwire.identity_ports import Credentials
from bellwire.policies import Place, load_policy
from bellwire_local.accounts import Account, PoolSettings, Provider, Role
from bellwire_local.clocks import Clocks
from bellwire_local.dev.roles import bellwire_roles
from bellwire_local.identity.quotas import IdentityQuotas
from bellwire_local.iot.limits import Limits
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import running_in_thread
from infra.local.conftest import Aws, Clock, Signer
from infra.local.endpoints import MEMBERS_OF_THE_POOL
from infra.local.identity.oidc_issuer import AUDIENCE, Issuer, running_issuer

HOME, OTHER = "000000000000", "111111111111"
DEVELOPER, PROVIDER = "login.example", "id.example"
PLACE = Place("us-east-1", HOME, "dev")
OTHER_PLACE = Place("us-east-1", OTHER, "dev")


@dataclass
class Pauses:
    """A monotonic clock of its own, which only waiting moves; it moves AWS's clock as well."""

    aws_clock: Clock | None = None
    now_s: float = 1_000.0
    waits_s: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self.now_s += seconds
        if self.aws_clock is not None:
            self.aws_clock.ahead_s += seconds


class Cloud(Aws):
    """The stand-in, the adapters on it, and what a member can do with what they hand out."""

    issuer: Issuer

    @property
    def pool_id(self) -> str:
        return self.stand_in.identity_pool_id

    def client(self, role: str, service: str) -> Any:
        return self.client_of(self.role(role), service)

    def client_of(self, signer: Signer, service: str) -> Any:
        """A client that signs with these keys and does not try again."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # one line for every service
            region_name="us-east-1",
            endpoint_url=self.stand_in.aws_url,
            aws_access_key_id=signer.access_key_id,
            aws_secret_access_key=signer.secret_access_key,
            aws_session_token=signer.session_token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def identities(self, role: str = "session_role", **more: Any) -> CognitoIdentities:
        return CognitoIdentities(
            self.client(role, "cognito-identity"),
            self.pool_id,
            now_s=self.clock.wall_s,
            **{"developer_provider": DEVELOPER, **more},
        )

    def narrowing(self, role: str = "session_role") -> StsNarrowing:
        return StsNarrowing(self.client(role, "sts"), f"arn:aws:iam::{HOME}:role/narrowed_role")

    def elsewhere(self) -> RoleElsewhere:
        client = self.client("session_role", "sts")
        return RoleElsewhere(client, f"arn:aws:iam::{OTHER}:role/member_role")

    def grants(self, pauses: Pauses, role: str = "session_role", luck: float = 0.5) -> IotGrants:
        return IotGrants(
            self.client(role, "iot"),
            monotonic_s=lambda: pauses.now_s,
            wait_s=pauses.wait,
            random=lambda: luck,
        )

    def connections(self, role: str = "connections_role") -> IotConnections:
        return IotConnections(self.client(role, "iot-data"))

    def attached_to(self, identity_id: str) -> set[str]:
        admin = self.client("admin", "iot")
        found = admin.list_attached_policies(target=identity_id)["policies"]
        return {policy["policyName"] for policy in found}


def signer_of(credentials: Credentials, identity_id: str = "") -> Signer:
    return Signer(
        credentials.access_key_id,
        credentials.secret_access_key,
        credentials.session_token,
        identity_id,
    )


@contextmanager
def running_cloud(
    directory: Path, limits: Limits | None = None, clocks: Clocks | None = None
) -> Iterator[Cloud]:
    """Run the stand-in; `clocks` in the place of the real ones moved by `clock`."""
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    admin = Role({"Version": "2012-10-17", "Statement": [everything]})
    clock = Clock()
    with running_issuer() as issuer:
        settings = StandInSettings(
            data_dir=directory,
            accounts={
                HOME: Account({**bellwire_roles(), "admin": admin}),
                OTHER: Account(
                    {
                        "member_role": Role(
                            load_policy("member_role", OTHER_PLACE), MEMBERS_OF_THE_POOL
                        )
                    }
                ),
            },
            pool=PoolSettings(
                authenticated_role="member_role",
                developer_provider=DEVELOPER,
                providers={PROVIDER: Provider(issuer.url, (AUDIENCE,))},
            ),
            iot_port=0,
            aws_port=0,
            identity_quotas=IdentityQuotas.unlimited(),
            limits=limits or Limits.off(),
        )
        stand_in = StandIn(settings, clocks or Clocks(clock.wall_s, clock.monotonic_s))
        with running_in_thread(stand_in) as running:
            cloud = Cloud(running, clock)
            cloud.issuer = issuer
            yield cloud
            cloud.close_clients()
