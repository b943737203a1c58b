"""What the handlers work with in one process: AWS's clients on the stand-in, the log's database.

On AWS each function makes its own of these; here they are made once.
"""

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from sqlalchemy import Engine

from bellwire.aws.cognito import CognitoIdentities
from bellwire.aws.iot_broker import IotBroker
from bellwire.aws.iot_connections import IotConnections
from bellwire.aws.iot_grants import IotGrants
from bellwire.aws.sts import StsNarrowing
from bellwire.bearers import Bearers
from bellwire.fanout import FanOut
from bellwire.grouping import GroupingAppends
from bellwire.handlers.assembled import AssembledDeployment, AssembledMembers
from bellwire.jwks import JwksKeys, fetch_from
from bellwire.logins import Logins, Provider
from bellwire.policies import load_policy
from bellwire.revocation import Bouncer
from bellwire.sessions import Membership
from bellwire.sql.directory import SqlDirectory
from bellwire.sql.log import SqlLog
from bellwire.sql.presence import SqlPresence
from bellwire_local.accounts import OpaqueProvider, PoolSettings
from bellwire_local.dev.login import DevLogin
from bellwire_local.dev.roles import PLACE
from bellwire_local.dev.settings import ACCOUNT_ID, REGION, STAGE
from bellwire_local.stand_in import StandIn

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

JWKS_PATH: Final = "/.well-known/jwks_uri"
"""Where Cognito's keys are. Source: Cognito guide, developer-authenticated-identities."""


PRESENCE: Final = ("group", "public", "user")
"""Namespaces in which it may be asked who is there: all, on a laptop."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Makes boto3 clients on a stand-in, each with the rights of one role."""

    stand_in: StandIn
    threads: int

    def as_role(self, role: str, service: str, *, attempts: int = 3) -> Any:
        """Make a client, e.g. `("session_role", "sts")`; `attempts` count the first one."""
        keys = self.stand_in.credentials_for(role, role.removesuffix("_role"))
        session = boto3.Session(
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            region_name=REGION,
        )
        config = Config(
            max_pool_connections=self.threads,
            connect_timeout=5,
            read_timeout=10,
            retries={"total_max_attempts": attempts, "mode": "standard"},
        )
        client: Any = session.client(
            service,  # type: ignore[call-overload]  # any of the services that are used here
            endpoint_url=self.stand_in.aws_url,
            config=config,
        )
        return client


@dataclass(frozen=True, slots=True)
class Parts:
    """What a deployment is put together from; `pool` says who may log in."""

    clients: Clients
    engine: Engine
    log: SqlLog
    fan_out: FanOut
    login: DevLogin
    pool: PoolSettings
    web_url: str


def make_broker(clients: Clients) -> IotBroker:
    """Make the broker that updates are pushed through."""
    return IotBroker(clients.as_role("publisher_role", "iot-data"))


def make_deployment(parts: Parts) -> AssembledDeployment:
    """Put the deployment together."""
    stand_in, pool = parts.clients.stand_in, parts.pool
    has_guests = pool.unauthenticated_role is not None
    has_members = pool.authenticated_role is not None and pool.developer_provider is not None
    identities = CognitoIdentities(
        parts.clients.as_role("session_role", "cognito-identity"),
        stand_in.identity_pool_id,
        developer_provider=pool.developer_provider,
        now_s=time.time,
    )
    return AssembledDeployment(
        place=PLACE,
        log=parts.log,
        appends=GroupingAppends(parts.log),
        fan_out=parts.fan_out,
        identities=identities,
        guest_role=load_policy("guest_role", PLACE) if has_guests else None,
        config={
            "v": 1,
            "stage": STAGE,
            "region": REGION,
            "iot_url": stand_in.iot_url,
            "identity_pool_id": stand_in.identity_pool_id,
            "cognito_url": stand_in.aws_url,
            "guests": has_guests,
            "poll_url": f"{parts.web_url}/v1/updates",
            "features": {
                "logins": has_members,
                "presence": [*PRESENCE] if has_members else [],
            },
        },
        members=_make_members(parts, identities) if has_members else None,
    )


def _make_members(parts: Parts, identities: CognitoIdentities) -> AssembledMembers:
    stand_in, clients = parts.clients.stand_in, parts.clients
    control_plane: IoTClient = clients.as_role("session_role", "iot", attempts=1)
    made_of = Membership(
        place=PLACE,
        identities=identities,
        directory=SqlDirectory(parts.engine),
        open_grants=lambda: IotGrants(
            control_plane,
            monotonic_s=time.monotonic,
            wait_s=time.sleep,
            random=random.random,
        ),
        narrowing=StsNarrowing(
            clients.as_role("session_role", "sts"),
            f"arn:aws:iam::{ACCOUNT_ID}:role/narrowed_role",
        ),
        bearers=Bearers(
            pool_id=stand_in.identity_pool_id,
            pool_keys=JwksKeys(fetch_from(stand_in.aws_url + JWKS_PATH), time.monotonic),
            secret=lambda: parts.login.bearer_secret,
            stage=STAGE,
            developer_provider=parts.pool.developer_provider,
        ),
    )
    presence = SqlPresence(parts.engine)
    presence.clear()  # of before this start: no connection has outlived it
    bouncer = Bouncer(
        identities=identities,
        directory=made_of.directory,
        open_grants=made_of.open_grants,
        connections=IotConnections(clients.as_role("connections_role", "iot-data")),
        client_ids_of=presence.client_ids_of,
        now_s=time.time,
        wait_s=time.sleep,
    )
    providers = {
        name: Provider(None if isinstance(each, OpaqueProvider) else each.issuer)
        for name, each in parts.pool.providers.items()
    }
    logins = Logins(parts.login.rules, providers)
    return AssembledMembers(
        logins, made_of, bouncer, stand_in.identity_pool_id, presence, frozenset(PRESENCE)
    )
