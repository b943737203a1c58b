"""The stand-in assembled: one loop, two ports or three, one data directory. No rule of AWS here."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from bellwire_local.accounts import Account, PoolSettings
from bellwire_local.aws_http import HttpPort, make_app
from bellwire_local.aws_routes import make_router
from bellwire_local.clocks import Clocks
from bellwire_local.faults import Faults
from bellwire_local.faults_in_force import FaultsInForce
from bellwire_local.http_faults import make_faulty
from bellwire_local.http_messages import Answer, HttpRequest, Operation
from bellwire_local.identity.assembly import IdentityServices, IdentitySettings, assemble_identity
from bellwire_local.identity.credentials import CredentialIssuer, Credentials
from bellwire_local.identity.decisions import DecisionLog
from bellwire_local.identity.keyring import Keyring, open_keyring
from bellwire_local.identity.principals import Principal
from bellwire_local.identity.quotas import IdentityQuotas
from bellwire_local.identity.sigv4 import Verifier
from bellwire_local.iot.admission import MQTT_PATH, EdgeChoices
from bellwire_local.iot.assembly import IotServices, IotSettings, assemble_iot
from bellwire_local.iot.authorization import Authorizer, PolicyChoices
from bellwire_local.iot.broker import Broker
from bellwire_local.iot.choices import DEFAULT_CHOICES, Choices
from bellwire_local.iot.limits import STRICT, Limits
from bellwire_local.iot.rules import TopicRule, TopicRules
from bellwire_local.listening import authority_of, bind
from bellwire_local.storage import open_storage
from bellwire_local.tls import LocalTls, open_tls

logger = logging.getLogger(__name__)

CLOCKS = Clocks()
_EXPIRY_CHECK_S = 1.0


@dataclass(frozen=True)
class StandInSettings:
    """What a stand-in is told. Port 0 means any free one; policy documents come rendered.

    `account_id` is the home account, which holds the identity pool. `iot_tls_port` is None when
    nobody is to speak TLS.
    """

    data_dir: Path
    accounts: Mapping[str, Account] = field(default_factory=dict)
    pool: PoolSettings = field(default_factory=PoolSettings)
    region: str = "us-east-1"
    account_id: str = "000000000000"
    host: str = "127.0.0.1"
    iot_port: int = 8081
    aws_port: int = 8082
    policy_choices: PolicyChoices = field(default_factory=PolicyChoices)
    iot_tls_port: int | None = None
    edge: EdgeChoices = field(default_factory=EdgeChoices)
    faults: Faults | None = None
    identity_quotas: IdentityQuotas = field(default_factory=IdentityQuotas)
    limits: Limits = STRICT
    choices: Choices = DEFAULT_CHOICES


class StandIn:
    """AWS IoT Core and Cognito Identity on this machine."""

    def __init__(self, settings: StandInSettings, clocks: Clocks = CLOCKS) -> None:
        """Read keys and policies; nothing listens yet.

        Raises:
            DataDirectoryUnusable: the data directory, or a file in it, cannot be used.
            PolicyRefused: a policy document cannot be enforced.
        """
        self._settings = settings
        keyring = open_keyring(settings.data_dir)
        self.identity_pool_id = f"{settings.region}:{keyring.pool_guid}"
        self._accounts = {settings.account_id: Account(), **settings.accounts}
        self._issuer = CredentialIssuer(keyring.master_key, self._accounts.keys())
        self._storage = open_storage(settings.data_dir)
        self.iot_url = ""
        self.aws_url = ""
        self.iot_tls_url: str | None = None
        self.decisions = DecisionLog()
        self._iot = self._assemble_iot(clocks)
        identity = self._assemble_identity(keyring, clocks)
        self.make_api_authorizer = identity.make_api_authorizer
        self.faults = FaultsInForce(
            self._iot.brokers.values(),
            self._iot.authorizers.values(),
            self._issuer,
            clocks.wall_s,
        )
        self._iot.websocket_port.fault_plan = lambda: self.faults.plan
        self._iot.websocket_port.on_open = self.faults.trouble
        router = make_router(
            cognito=identity.cognito.answer,
            sts=identity.sts.answer,
            discovery=identity.discovery.answer,
            control_plane=self._iot.control_plane.answer,
            data_plane=self._iot.data_plane.answer,
        )
        self._rules = TopicRules()
        self._operations: dict[str, Operation] = {}
        throttled_status = settings.pool.throttled_status
        self._router = make_faulty(router, lambda: self.faults.plan, throttled_status)
        self._tls = _open_tls(settings, clocks.wall_s())
        self.ca_path = None if self._tls is None else self._tls.ca_path
        self._http_port: HttpPort | None = None
        self._expiring: asyncio.Task[None] | None = None

    @property
    def broker(self) -> Broker:
        """The home account's broker."""
        return self._iot.brokers[self._settings.account_id]

    @property
    def upgrade_verifier(self) -> Verifier:
        """What the signatures of upgrades are held against."""
        return self._iot.websocket_port.verifier

    @property
    def authorizer(self) -> Authorizer:
        """The home account's policies."""
        return self._iot.authorizers[self._settings.account_id]

    def credentials_for(self, role: str, session_name: str) -> Credentials:
        """Return the long-lived credentials of a role's session, the same ones after each start.

        On AWS the holder would be an IAM user with the role's policy: no session token, no expiry.
        """
        roles = self._accounts[self._settings.account_id].roles
        if role not in roles:
            known = ", ".join(sorted(roles)) or "none"
            raise ValueError(f"no role {role!r}; there are: {known}")
        principal = Principal(self._settings.account_id, role, session_name)
        return self._issuer.issue_long_lived(principal)

    def adopt_credentials(self, credentials: Credentials, role: str, session_name: str) -> None:
        """Take credentials of another emulator for a role of the home account.

        They hold until the stand-in ends, or until `expires_at` if they have one.
        """
        principal = Principal(self._settings.account_id, role, session_name)
        self._issuer.adopt(credentials, principal)

    def add_operation(self, prefix: str, operation: Operation) -> None:
        """Have what is not AWS's answered on the AWS port as well, below a path."""
        self._operations[prefix] = operation

    def add_rule(self, rule: TopicRule) -> None:
        """Have a rule of the home account hear what is published from now on.

        Raises:
            ValueError: its topic filter is none.
        """
        self._rules.add(rule)
        self.broker.on_publish = self._rules

    def _assemble_iot(self, clocks: Clocks) -> IotServices:
        settings = self._settings
        iot = IotSettings(
            region=settings.region,
            accounts=self._accounts,
            limits=settings.limits,
            choices=settings.choices,
            policy_choices=settings.policy_choices,
            edge=settings.edge,
            endpoint=lambda: urlsplit(self.iot_url).netloc,
        )
        return assemble_iot(iot, self._issuer, self._storage, clocks, self.decisions)

    def _assemble_identity(self, keyring: Keyring, clocks: Clocks) -> IdentityServices:
        settings = self._settings
        identity = IdentitySettings(
            region=settings.region,
            home=settings.account_id,
            pool_id=self.identity_pool_id,
            accounts=self._accounts,
            pool=settings.pool,
            quotas=settings.identity_quotas,
        )
        return assemble_identity(
            identity, keyring, self._issuer, self._storage, clocks, self.decisions
        )

    async def start(self) -> None:
        """Open the ports.

        Raises:
            PortInUse: one of them is taken; none stays open.
        """
        host = self._settings.host
        with contextlib.ExitStack() as until_served:
            iot = until_served.enter_context(bind(host, self._settings.iot_port, "MQTT"))
            aws = until_served.enter_context(bind(host, self._settings.aws_port, "AWS's HTTP"))
            self.iot_url = f"ws://{authority_of(iot)}{MQTT_PATH}"
            self.aws_url = f"http://{authority_of(aws)}"
            if self._tls is not None:
                tls_port = self._settings.iot_tls_port or 0
                secure = until_served.enter_context(bind(host, tls_port, "MQTT over TLS"))
                self.iot_tls_url = f"wss://{authority_of(secure)}{MQTT_PATH}"
                await self._iot.websocket_port.listen(secure, self._tls.context)
            await self._iot.websocket_port.listen(iot)
            self._http_port = HttpPort(make_app(self._answer, self._settings.limits.payload_bytes))
            await self._http_port.listen(aws)
            until_served.pop_all()
        if self._settings.faults is not None:
            self.faults.set(self._settings.faults)
        self._expiring = asyncio.create_task(self._expire())

    async def stop(self) -> None:
        """End every connection and close the ports."""
        if self._expiring is not None:
            self._expiring.cancel()
            await asyncio.wait([self._expiring])  # whatever it ended with, the rest is to be closed
        await self._rules.close()
        if self._http_port is not None:
            await self._http_port.close()
        await self._iot.websocket_port.close()
        self._storage.close()

    def _answer(self, request: HttpRequest) -> Answer:
        for prefix, operation in self._operations.items():
            if request.path.startswith(prefix):
                return operation(request)
        return self._router(request)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRY_CHECK_S)
            for account_id, broker in self._iot.brokers.items():
                try:
                    broker.expire()
                except Exception:  # the next second is another try
                    logger.exception("account %s: expiry met what nobody foresaw", account_id)


def _open_tls(settings: StandInSettings, now_s: float) -> LocalTls | None:
    if settings.iot_tls_port is None:
        return None
    names = dict.fromkeys(("localhost", "127.0.0.1", "::1", settings.host))
    return open_tls(settings.data_dir, names, datetime.fromtimestamp(now_s, UTC))
