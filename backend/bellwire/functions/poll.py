"""GET /v1/updates, /v1/signed/updates, /v1/config, /v1/health; and whatever is no endpoint."""

from bellwire.functions.http import http_function
from bellwire.handlers.config import handle_config
from bellwire.handlers.edge import Deployment, Event, Response, json_response
from bellwire.handlers.poll import handle_poll, handle_signed_poll


def handle_health(_event: Event, _deployment: Deployment) -> Response:
    """Answer that this is here."""
    return json_response(200, {"ok": True})


handler = http_function(
    {
        "GET /v1/updates": handle_poll,
        "GET /v1/signed/updates": handle_signed_poll,
        "GET /v1/config": handle_config,
        "GET /v1/health": handle_health,
    }
)
