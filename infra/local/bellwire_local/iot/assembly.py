"""The parts of AWS IoT put together: a broker and policies for each account, ports for all."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bellwire_local.accounts import Account
from bellwire_local.clocks import Clocks
from bellwire_local.identity.credentials import CredentialIssuer
from bellwire_local.identity.sigv4 import Verifier
from bellwire_local.iot.admission import EdgeChoices
from bellwire_local.iot.authorization import Authorizer, PolicyChoices
from bellwire_local.iot.broker import Broker
from bellwire_local.iot.choices import Choices
from bellwire_local.iot.control_plane import CONTROL_PLANE_SERVICES, ControlPlane
from bellwire_local.iot.data_plane import DATA_PLANE_SERVICES, DataPlane
from bellwire_local.iot.edge import WEBSOCKET_SERVICES, WebSocketPort
from bellwire_local.iot.iot_policies import IotPolicies
from bellwire_local.iot.limits import Limits
from bellwire_local.iot.retained import RetainedMessages


@dataclass(frozen=True, slots=True, kw_only=True)
class IotSettings:
    """What the parts of AWS IoT are told; `endpoint` answers `127.0.0.1:8081` once that is open."""

    region: str
    accounts: Mapping[str, Account]
    limits: Limits
    choices: Choices
    policy_choices: PolicyChoices
    edge: EdgeChoices
    endpoint: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class IotServices:
    """What answers; authorizers and brokers by account."""

    authorizers: Mapping[str, Authorizer]
    brokers: Mapping[str, Broker]
    control_plane: ControlPlane
    data_plane: DataPlane
    websocket_port: WebSocketPort


def assemble_iot(
    settings: IotSettings, issuer: CredentialIssuer, storage: sqlite3.Connection, clocks: Clocks
) -> IotServices:
    """Build the services.

    Raises:
        PolicyRefused: a role's policy cannot be enforced.
    """
    authorizers = {
        account_id: Authorizer(
            settings.region,
            account_id,
            {name: role.policy for name, role in account.roles.items()},
            choices=settings.policy_choices,
            wall_clock_s=clocks.wall_s,
            monotonic_s=clocks.monotonic_s,
        )
        for account_id, account in settings.accounts.items()
    }
    brokers = {
        account_id: Broker(
            authorizer,
            monotonic_s=clocks.monotonic_s,
            wall_clock_s=clocks.wall_s,
            limits=settings.limits,
            choices=settings.choices,
            retained=RetainedMessages(storage, account_id, clocks.wall_s),
        )
        for account_id, authorizer in authorizers.items()
    }
    policies = {
        account_id: IotPolicies(
            storage,
            account_id,
            authorizer.change,
            wall_clock_s=clocks.wall_s,
            limits=settings.limits,
        )
        for account_id, authorizer in authorizers.items()
    }

    def verifier_for(services: tuple[str, ...]) -> Verifier:
        return Verifier(settings.region, services, issuer.look_up)

    return IotServices(
        authorizers=authorizers,
        brokers=brokers,
        control_plane=ControlPlane(
            policies,
            authorizers,
            verifier_for(CONTROL_PLANE_SERVICES),
            settings.endpoint,
            clocks.wall_s,
            clocks.monotonic_s,
            settings.limits,
        ),
        data_plane=DataPlane(
            brokers,
            authorizers,
            verifier_for(DATA_PLANE_SERVICES),
            clocks.wall_s,
            settings.limits,
            settings.choices,
        ),
        websocket_port=WebSocketPort(
            brokers,
            Verifier(settings.region, WEBSOCKET_SERVICES, issuer.look_up, is_for_upgrades=True),
            clocks.wall_s,
            settings.edge,
            max_packet_bytes=settings.limits.packet_bytes,
        ),
    )
