"""A function behind API Gateway: routes to handlers, failures to the errors of protocol §7."""

from collections.abc import Mapping
from typing import Any

from bellwire.errors import NotFound
from bellwire.functions.deployment import deployment
from bellwire.functions.observing import Handler, count, observed
from bellwire.handlers import edge


def http_function(routes: Mapping[str, edge.Handle]) -> Handler:
    """Return a function for some routes, e.g. `{"POST /v1/publish": handle_publish}`."""

    def handle(event: Any, _context: Any) -> edge.Response:
        answer = edge.answer(_route(routes, event), event, deployment())
        if answer["statusCode"] >= 500:
            count("Failed")
        return answer

    return observed(handle)


def _route(routes: Mapping[str, edge.Handle], event: edge.Event) -> edge.Handle:
    return routes.get(str(event.get("routeKey")), _handle_nothing)


def _handle_nothing(event: edge.Event, _deployment: edge.Deployment) -> edge.Response:
    method = event.get("requestContext", {}).get("http", {}).get("method")
    raise NotFound(f"no endpoint {method} {event.get('rawPath')}")
