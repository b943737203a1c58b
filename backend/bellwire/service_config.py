"""What `GET /v1/config` says of a service that who reads there needs."""

from dataclasses import dataclass

from bellwire.errors import Malformed
from bellwire.http_calls import HttpCalls
from bellwire.wire_json import decode_json


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """Where a service's parts are.

    Attributes:
        stage: what its topics begin with.
        cognito_url: None: AWS's own endpoint of the region.
        has_guests: whether public channels are read without a login.
        has_logins: whether anybody can log in.
        presence: the namespaces in which it may be asked who is there, e.g. `{"group", "user"}`.
    """

    stage: str
    region: str
    iot_url: str
    identity_pool_id: str
    cognito_url: str | None = None
    has_guests: bool = True
    has_logins: bool = False
    presence: frozenset[str] = frozenset()


def read_service_config(calls: HttpCalls) -> ServiceConfig:
    """Ask for a service's config.

    Raises:
        BellwireError: it cannot be reached, or is none of ours.
    """
    match decode_json(calls.get("/v1/config")):
        case {
            "stage": str(stage),
            "region": str(region),
            "iot_url": str(iot_url),
            "identity_pool_id": str(pool_id),
            "cognito_url": str() | None as cognito_url,
            **more,
        }:
            has_guests = more.get("guests") is not False
            has_logins, presence = _features(more.get("features"))
            return ServiceConfig(
                stage, region, iot_url, pool_id, cognito_url, has_guests, has_logins, presence
            )
        case other:
            raise Malformed(f"expected the config of a service, found {str(other)[:80]!r}")


def _features(wire: object) -> tuple[bool, frozenset[str]]:
    """Read `{"logins": true, "presence": ["group", "user"]}`; what is not told is not there."""
    found = wire if isinstance(wire, dict) else {}
    presence = found.get("presence")
    named = presence if isinstance(presence, list) else []
    return found.get("logins") is True, frozenset(str(name) for name in named)
