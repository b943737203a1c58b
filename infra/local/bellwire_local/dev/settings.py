"""What `bellwire dev` is told, and what it tells when it is ready."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bellwire_local.faults import Faults
from bellwire_local.identity.credentials import Credentials

if TYPE_CHECKING:
    from bellwire_local.stand_in import StandIn

STAGE = "dev"
REGION = "us-east-1"
ACCOUNT_ID = "000000000000"


@dataclass(frozen=True, slots=True)
class Emulation:
    """How AWS is to be imitated.

    `choices` are `NAME=VALUE`, `iot_tls_port` is None without TLS, `setup` is read by
    `dev.setup`.
    """

    iot_tls_port: int | None = None
    has_limits: bool = True
    faults: Faults | None = None
    choices: tuple[str, ...] = ()
    setup: Path | None = None


@dataclass(frozen=True, slots=True)
class DevSettings:
    """Port 0 means any free one."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8080
    iot_port: int = 8081
    aws_port: int = 8082
    has_demo: bool = True
    emulation: Emulation = Emulation()


@dataclass(frozen=True, slots=True)
class Ready:
    """Where everything is, once it accepts."""

    web_url: str
    iot_url: str
    aws_url: str
    identity_pool_id: str
    job: dict[str, Any]
    operator: dict[str, Any]
    credentials: dict[str, dict[str, Any]]
    pid: int
    iot_tls_url: str | None = None
    ca_path: Path | None = None

    def to_wire(self) -> dict[str, Any]:
        """Shape the line that `--json` prints."""
        return {
            "ready": True,
            "web": self.web_url,
            "iot": self.iot_url,
            "aws": self.aws_url,
            "region": REGION,
            "stage": STAGE,
            "identity_pool_id": self.identity_pool_id,
            "job": self.job,
            "operator": self.operator,
            "credentials": self.credentials,
            "iot_tls": self.iot_tls_url,
            "ca": None if self.ca_path is None else str(self.ca_path),
            "pid": self.pid,
        }


def credentials_to_wire(credentials: Credentials) -> dict[str, Any]:
    """Shape credentials for that line."""
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "session_token": credentials.session_token,
    }


def credentials_of_roles(stand_in: "StandIn", roles: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Make a long-lived key for each role; `publisher_role` has a session named `publisher`."""
    return {
        name: credentials_to_wire(stand_in.credentials_for(name, name.removesuffix("_role")))
        for name in roles
    }
