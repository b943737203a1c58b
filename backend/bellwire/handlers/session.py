"""POST /v1/session: become somebody: a guest, a member, or a member narrowed to some channels."""

from bellwire.channels import check_channel
from bellwire.cursors import MAX_CHANNELS
from bellwire.errors import Malformed, Unauthenticated
from bellwire.handlers.edge import (
    Deployment,
    Event,
    Response,
    bearer_of,
    json_object,
    json_response,
)
from bellwire.identity_ports import Credentials
from bellwire.sessions import (
    Session,
    open_guest_session,
    open_member_session,
    open_narrowed_session,
)
from bellwire.wire_json import Json


def handle_session(event: Event, deployment: Deployment) -> Response:
    """Take `{"mode": "cognito" | "sts", "channels": […], "credentials": false, "provider": "…"}`.

    Answers `{"identity_id", "token", "expires_at", "groups", "credentials"?, "channels"?}`; token
    and expires_at are null for a guest, who sends no Authorization.
    """
    token, body = bearer_of(event), json_object(event)
    mode, wants = _mode_of(body), _flag_of(body, "credentials")
    channels = _channels_of(body, mode)
    if token is None:
        return json_response(200, _encode(_open_guest(deployment, mode, wants_credentials=wants)))
    if deployment.members is None:
        raise Unauthenticated("no login is configured here: call without Authorization, as a guest")
    members, now_s = deployment.members, deployment.now_s()
    login = members.logins.read(token, now_s, _provider_of(body))
    if mode == "sts":
        session = open_narrowed_session(login, channels, members.made_of, now_s=now_s)
    else:
        session = open_member_session(login, members.made_of, wants_credentials=wants)
    return json_response(200, _encode(session))


def _open_guest(deployment: Deployment, mode: str, *, wants_credentials: bool) -> Session:
    if mode != "cognito":
        raise Malformed(f"expected mode cognito for a guest, found {mode!r}")
    return open_guest_session(
        deployment.identities,
        are_guests_allowed=deployment.guest_role is not None,
        wants_credentials=wants_credentials,
    )


def _mode_of(body: dict[str, Json]) -> str:
    mode = body.get("mode", "cognito")
    if mode not in ("cognito", "sts"):
        raise Malformed(f"expected mode cognito or sts, found {mode!r:.80}")
    return str(mode)


def _flag_of(body: dict[str, Json], name: str) -> bool:
    flag = body.get(name, False)
    if not isinstance(flag, bool):
        raise Malformed(f"expected {name} to be true or false, found {flag!r:.80}")
    return flag


def _provider_of(body: dict[str, Json]) -> str | None:
    provider = body.get("provider")
    if provider is not None and not isinstance(provider, str):
        raise Malformed(f"expected provider to be a string, found {provider!r:.80}")
    return provider


def _channels_of(body: dict[str, Json], mode: str) -> list[str]:
    listed = body.get("channels")
    if listed is None:
        listed = []
    if not isinstance(listed, list):
        raise Malformed(f"expected a list of channels, found {listed!r:.80}")
    if mode != "sts" and listed:
        raise Malformed("expected channels with mode sts only: another session is not narrowed")
    if mode == "sts" and not 1 <= len(listed) <= MAX_CHANNELS:
        raise Malformed(f"expected 1 to {MAX_CHANNELS} channels with mode sts, found {len(listed)}")
    return sorted({check_channel(_text_of(name)) for name in listed})


def _text_of(name: Json) -> str:
    if not isinstance(name, str):
        raise Malformed(f"expected channels to be strings, found {name!r:.80}")
    return name


def _encode(session: Session) -> dict[str, Json]:
    wire: dict[str, Json] = {
        "identity_id": session.identity_id,
        "token": session.token,
        "expires_at": session.expires_at_ms,
        "groups": list(session.groups),
    }
    if session.credentials is not None:
        wire["credentials"] = _encode_credentials(session.credentials)
    if session.channels is not None:
        wire["channels"] = list(session.channels)
    return wire


def _encode_credentials(credentials: Credentials) -> dict[str, Json]:
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "session_token": credentials.session_token,
        "expires_at": credentials.expires_at_ms,
    }
