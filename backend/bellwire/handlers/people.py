"""POST /v1/users and POST /v1/kick: a user's address, and the end of a user's access.

Whoever calls these has been found entitled to: by IAM on AWS, by the front in one process.
"""

from bellwire.errors import Malformed
from bellwire.handlers.edge import (
    Deployment,
    Event,
    Response,
    json_object,
    json_response,
    require_members,
)
from bellwire.logins import check_user
from bellwire.revocation import kick
from bellwire.sessions import find_user


def handle_user(event: Event, deployment: Deployment) -> Response:
    """Take `{"user": "alice"}`, answer `{"identity_id": "us-east-1:…"}`, made if it was not."""
    directory, user = require_members(deployment).directory, check_user(_user_of(event))
    return json_response(200, {"identity_id": find_user(user, deployment.identities, directory)})


def handle_kick(event: Event, deployment: Deployment) -> Response:
    """Take `{"user"}`, answer `{"identity_id", "connections_ended", "revoked_before", "known"}`.

    `revoked_before` is in s since 1970: every token that is older is refused. `known` is false for
    a name that nobody has come by yet; it may be misspelt.
    """
    kicked = kick(_user_of(event), require_members(deployment).bouncer)
    return json_response(
        200,
        {
            "identity_id": kicked.identity_id,
            "connections_ended": kicked.connections_ended,
            "revoked_before": kicked.revoked_before_s,
            "known": kicked.was_known,
        },
    )


def _user_of(event: Event) -> str:
    user = json_object(event).get("user")
    if not isinstance(user, str):
        raise Malformed(f'expected {{"user": "NAME"}}, found {user!r:.80}')
    return user
