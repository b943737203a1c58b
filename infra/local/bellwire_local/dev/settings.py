"""What `bellwire dev` is told, and what it tells when it is ready."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bellwire_local.faults import Faults
from bellwire_local.identity.credentials import Credentials

STAGE = "dev"
REGION = "us-east-1"
ACCOUNT_ID = "000000000000"


@dataclass(frozen=True, slots=True)
class Emulation:
    """How AWS is to be imitated; `choices` are `NAME=VALUE`, `iot_tls_port` is None without TLS."""

    iot_tls_port: int | None = None
    has_limits: bool = True
    faults: Faults | None = None
    choices: tuple[str, ...] = ()


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
