"""What `bellwire dev` is told, and what it tells when it is ready."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAGE = "dev"
REGION = "us-east-1"
ACCOUNT_ID = "000000000000"


@dataclass(frozen=True, slots=True)
class DevSettings:
    """Port 0 means any free one."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8080
    iot_port: int = 8081
    aws_port: int = 8082
    has_demo: bool = True


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
            "iot_tls": None,
            "ca": None,
            "pid": self.pid,
        }
