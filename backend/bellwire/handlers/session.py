"""POST /v1/session: become somebody. Guests so far; a bearer token is refused, not ignored."""

from bellwire.errors import Malformed, Unauthenticated
from bellwire.handlers.edge import (
    Deployment,
    Event,
    Response,
    header_of,
    json_body,
    json_response,
)
from bellwire.ports import Credentials
from bellwire.sessions import open_guest_session
from bellwire.wire_json import Json


def handle_session(event: Event, deployment: Deployment) -> Response:
    """Answer `{"identity_id", "token": null, "expires_at": null, "groups": [], "credentials"?}`."""
    if header_of(event, "authorization") is not None:
        raise Unauthenticated("no login is configured here: call without Authorization, as a guest")
    session = open_guest_session(
        deployment.identities,
        are_guests_allowed=deployment.guest_role is not None,
        wants_credentials=_wants_credentials(json_body(event) if event.get("body") else {}),
    )
    answer: dict[str, Json] = {
        "identity_id": session.identity_id,
        "token": None,
        "expires_at": None,
        "groups": [],
    }
    if session.credentials is not None:
        answer["credentials"] = _encode_credentials(session.credentials)
    return json_response(200, answer)


def _wants_credentials(body: Json) -> bool:
    if not isinstance(body, dict):
        raise Malformed(f"expected a JSON object, found {str(body)[:80]!r}")
    mode, wants = body.get("mode", "cognito"), body.get("credentials", False)
    if mode != "cognito":
        raise Malformed(f"expected mode cognito for a guest, found {mode!r:.80}")
    if not isinstance(wants, bool):
        raise Malformed(f"expected credentials to be true or false, found {wants!r:.80}")
    return wants


def _encode_credentials(credentials: Credentials) -> dict[str, Json]:
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "session_token": credentials.session_token,
        "expires_at": credentials.expires_at_ms,
    }
