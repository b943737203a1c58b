"""The deployment that handlers work with on AWS: each part is made when it is first used.

A function imports what its own handler comes to need: the time that a new instance takes to start
is felt by whoever waits for it.
"""
# ruff: noqa: PLC0415 - imported with the part that needs it, as above

import os
import time
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING

from bellwire.errors import Upstream
from bellwire.functions.clients import client
from bellwire.functions.settings import Settings, settings
from bellwire.policies import Document, Place, load_policy

if TYPE_CHECKING:
    from bellwire.aws.cognito import CognitoIdentities
    from bellwire.aws.dynamodb_directory import DynamoDbDirectory
    from bellwire.aws.dynamodb_log import DynamoDbLog
    from bellwire.aws.dynamodb_presence import DynamoDbPresence
    from bellwire.aws.dynamodb_reads import DynamoDbReads
    from bellwire.aws.dynamodb_tables import Tables
    from bellwire.aws.iot_connections import IotConnections
    from bellwire.bearers import Bearers
    from bellwire.fanout import FanOut, PushableLog
    from bellwire.functions.login_rules import LoginRules
    from bellwire.identity_ports import Grants
    from bellwire.logins import Logins
    from bellwire.ports import Broker
    from bellwire.revocation import Bouncer
    from bellwire.sessions import Membership
    from bellwire.wire_json import Json


@cache
def deployment() -> "AwsDeployment":
    """Return the one of this instance."""
    return AwsDeployment(settings())


class AwsDeployment:
    """See `edge.Deployment`."""

    def __init__(self, told: Settings) -> None:
        self.settings = told
        self.place: Place = told.place
        self.poll_after_ms = told.poll_after_ms
        self.members = AwsMembers(self)
        self.now_s: Callable[[], float] = time.time

    @cached_property
    def guest_role(self) -> Document | None:
        """See `edge.Deployment`."""
        return load_policy("guest_role", self.place) if self.settings.has_guests else None

    @cached_property
    def tables(self) -> "Tables":
        """The tables of the log."""
        from bellwire.aws.dynamodb_tables import Tables

        return Tables(client("dynamodb"), self.settings.log_table, self.settings.keyed_table)

    @cached_property
    def log(self) -> "DynamoDbReads":
        """The log, to be read."""
        from bellwire.aws.dynamodb_reads import DynamoDbReads

        return DynamoDbReads(self.tables, now_ms)

    @cached_property
    def appends(self) -> "DynamoDbLog":
        """The log, to be written."""
        from bellwire.aws.dynamodb_log import DynamoDbLog

        return DynamoDbLog(
            self.tables,
            retention_s=self.settings.retention_s,
            id_window_s=self.settings.id_window_s,
            now_ms=now_ms,
            monotonic_s=time.monotonic,
            noise=os.urandom,
            sleep=time.sleep,
        )

    @cached_property
    def broker(self) -> "Broker":
        """AWS IoT."""
        from bellwire.aws.iot_broker import IotBroker

        return IotBroker(client("iot-data"))

    @cached_property
    def fan_out(self) -> "FanOut":
        """What happens right after an append."""
        from bellwire.fanout import InlineFanOut, StreamFanOut

        if self.settings.fan_out == "stream":
            return StreamFanOut()
        log: PushableLog = self.appends
        return InlineFanOut(log, self.broker, self.settings.stage)

    @cached_property
    def identities(self) -> "CognitoIdentities":
        """The identity pool."""
        from bellwire.aws.cognito import CognitoIdentities

        return CognitoIdentities(
            client("cognito-identity"),
            self.settings.pool_id,
            developer_provider=self.settings.developer_provider,
            now_s=time.time,
        )

    @cached_property
    def config(self) -> "Mapping[str, Json]":
        """What `GET /v1/config` answers."""
        told = self.settings
        return {
            "v": 1,
            "stage": told.stage,
            "region": told.region,
            "iot_url": told.iot_url or f"wss://{self._iot_host()}/mqtt",
            "identity_pool_id": told.pool_id,
            "cognito_url": told.cognito_url or None,
            "guests": told.has_guests,
            "poll_url": f"{self._api_url()}/v1/updates",
            "features": {"logins": True, "presence": [*sorted(told.presence_namespaces)]},
        }

    def _api_url(self) -> str:
        told = self.settings
        return told.api_url or f"https://{told.api_id}.execute-api.{told.region}.amazonaws.com"

    def _iot_host(self) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = client("iot").describe_endpoint(endpointType="iot:Data-ATS")
        except (BotoCoreError, ClientError) as error:
            raise Upstream(f"the endpoint of AWS IoT cannot be found: {error}") from error
        return str(found["endpointAddress"])


class AwsMembers:
    """See `edge.Members`."""

    def __init__(self, whole: AwsDeployment) -> None:
        self._whole = whole
        self._told = whole.settings
        self.pool_id = whole.settings.pool_id
        self.presence_namespaces = whole.settings.presence_namespaces

    @property
    def logins(self) -> "Logins":
        """Which logins are taken."""
        return self._login_rules.logins()

    @cached_property
    def _login_rules(self) -> "LoginRules":
        from bellwire.functions.login_rules import LoginRules

        return LoginRules(self._told)

    @cached_property
    def directory(self) -> "DynamoDbDirectory":
        """Who everybody is."""
        from bellwire.aws.dynamodb_directory import DynamoDbDirectory

        return DynamoDbDirectory(client("dynamodb"), self._told.directory_table)

    @cached_property
    def presence(self) -> "DynamoDbPresence":
        """Who is connected."""
        from bellwire.aws.dynamodb_presence import DynamoDbPresence

        return DynamoDbPresence(client("dynamodb"), self._told.presence_table)

    @cached_property
    def connections(self) -> "IotConnections":
        """What AWS IoT knows of connections."""
        from bellwire.aws.iot_connections import IotConnections

        return IotConnections(client("iot-data"))

    @cached_property
    def bearers(self) -> "Bearers":
        """The bearers of polls."""
        from bellwire.functions.login_rules import make_bearers

        return make_bearers(self._told)

    @cached_property
    def made_of(self) -> "Membership":
        """What sessions are made of."""
        from bellwire.aws.sts import StsNarrowing
        from bellwire.sessions import Membership

        told = self._told
        role_arn = f"arn:aws:iam::{told.account_id}:role/{told.stack}-narrowed_role"
        return Membership(
            place=self._whole.place,
            identities=self._whole.identities,
            directory=self.directory,
            open_grants=_open_grants,
            narrowing=StsNarrowing(client("sts"), role_arn),
            bearers=self.bearers,
            token_lifetime_s=told.token_lifetime_s,
        )

    @cached_property
    def bouncer(self) -> "Bouncer":
        """What a kick takes."""
        from bellwire.revocation import Bouncer

        return Bouncer(
            identities=self._whole.identities,
            directory=self.directory,
            open_grants=_open_grants,
            connections=self.connections,
            client_ids_of=self.presence.client_ids_of,
            now_s=time.time,
            wait_s=time.sleep,
        )


def _open_grants() -> "Grants":
    import random

    from bellwire.aws.iot_grants import IotGrants

    control_plane = client("iot", attempts=1)
    return IotGrants(
        control_plane, monotonic_s=time.monotonic, wait_s=time.sleep, random=random.random
    )


def now_ms() -> int:
    """Tell the time, in ms since 1970."""
    return time.time_ns() // 1_000_000
