"""GET /v1/config: what a client needs to know before it can connect."""

from bellwire.handlers.edge import Deployment, Event, Response, json_response


def handle_config(_event: Event, deployment: Deployment) -> Response:
    """Answer `{"v":1,"stage","region","iot_url","identity_pool_id","cognito_url","guests",…}`."""
    return json_response(
        200, deployment.config, {"cache-control": "public, max-age=60, must-revalidate"}
    )
