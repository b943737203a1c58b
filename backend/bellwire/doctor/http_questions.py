"""Each action over HTTP as the request that tries it. Pure: `asking` signs and sends.

A request that is let through changes as little as it can: policies that are not there, clients that
nobody is, bodies that are refused by what is behind the permission.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from bellwire.cursors import Cursor, encode_cursor
from bellwire.doctor.scene import Actor, Endpoints, Need, Scene
from bellwire.doctor.truth_table import Action
from bellwire.updates import Position
from bellwire.wire_json import Json, encode_json

COGNITO_TARGET: Final = "AWSCognitoIdentityService"
POOL_ITSELF: Final = "cognito-identity.amazonaws.com"
STS_VERSION: Final = "2011-06-15"
SESSION_NAME: Final = "bellwire-doctor"
PROVIDER: Final = "doctor.invalid"
"""No pool's developer provider: who may have users vouched for is told that, and nobody is made."""

_SOME_POSITION: Final = Position("doctor00", 1)
_NOT_THERE: Final = frozenset({"ResourceNotFoundException"})


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        service: what it is signed for; None: it is not signed.
        let_through: errors that only those see who were let through.
    """

    method: str
    url: str
    service: str | None = None
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    let_through: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """How an action is tried, and with what; `write` takes the target filled in."""

    need: Need
    write: Callable[[Scene, Actor, str], Request]


def publish_request(endpoints: Endpoints, topic: str, payload: bytes) -> Request:
    """Publish a message over HTTPS."""
    return Request(
        "POST", f"{endpoints.data_plane}/topics/{_quote(topic)}", "iotdata", body=payload
    )


def _https_publish(scene: Scene, _actor: Actor, topic: str) -> Request:
    return publish_request(scene.endpoints, topic, b"doctor")


def _https_retain(scene: Scene, _actor: Actor, topic: str) -> Request:
    """With no payload, which keeps nothing."""
    return Request(
        "POST", f"{scene.endpoints.data_plane}/topics/{_quote(topic)}?retain=true", "iotdata"
    )


def _data_plane(method: str, path: str) -> Question:
    def write(scene: Scene, _actor: Actor, target: str) -> Request:
        filled = path.format(_quote(target))
        return Request(
            method, scene.endpoints.data_plane + filled, "iotdata", let_through=_NOT_THERE
        )

    return Question("keys", write)


def _policy(path: str) -> Question:
    """With a document that is none, so that no policy is made."""

    def write(scene: Scene, _actor: Actor, name: str) -> Request:
        url = f"{scene.endpoints.control_plane}/policies/{_quote(name)}{path}"
        found = _NOT_THERE | {"MalformedPolicyException"}
        return Request(
            "POST", url, "iot", _JSON, encode_json({"policyDocument": "{}"}), let_through=found
        )

    return Question("keys", write)


def _attachment(method: str) -> Question:
    def write(scene: Scene, _actor: Actor, target: str) -> Request:
        url = f"{scene.endpoints.control_plane}/target-policies/bellwire.{scene.stage}.doctor"
        return Request(
            method, url, "iot", _JSON, encode_json({"target": target}), let_through=_NOT_THERE
        )

    return Question("keys", write)


def _vouch(scene: Scene, _actor: Actor, pool_id: str) -> Request:
    body: Json = {"IdentityPoolId": pool_id, "Logins": {PROVIDER: "doctor"}}
    found = frozenset({"InvalidParameterException", "ResourceNotFoundException"})
    return _cognito(
        scene, "GetOpenIdTokenForDeveloperIdentity", body, "cognito-identity", let_through=found
    )


def _take_credentials(scene: Scene, actor: Actor, identity_id: str) -> Request:
    logins: dict[str, Json] = {} if actor.bearer is None else {POOL_ITSELF: actor.bearer}
    body: Json = {"IdentityId": identity_id, "Logins": logins}
    return _cognito(scene, "GetCredentialsForIdentity", body)


def _cognito(
    scene: Scene,
    operation: str,
    body: Json,
    service: str | None = None,
    let_through: frozenset[str] = frozenset(),
) -> Request:
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": f"{COGNITO_TARGET}.{operation}",
    }
    url = f"{scene.endpoints.cognito}/"
    return Request("POST", url, service, headers, encode_json(body), let_through)


def kick_request(endpoints: Endpoints, user: str) -> Request:
    """End somebody's access, by their identity id."""
    body = encode_json({"user": user})
    return Request("POST", f"{endpoints.api}/v1/kick", "execute-api", _JSON, body)


def who_am_i(endpoints: Endpoints) -> Request:
    """Ask whose keys sign."""
    return _sts(endpoints, "sts", Action="GetCallerIdentity")


def _assume(scene: Scene, _actor: Actor, role_arn: str) -> Request:
    return _sts(
        scene.endpoints,
        "sts",
        Action="AssumeRole",
        RoleArn=role_arn,
        RoleSessionName=SESSION_NAME,
        DurationSeconds="900",
    )


def _assume_by_token(scene: Scene, actor: Actor, role_arn: str) -> Request:
    return _sts(
        scene.endpoints,
        None,
        Action="AssumeRoleWithWebIdentity",
        RoleArn=role_arn,
        RoleSessionName=SESSION_NAME,
        WebIdentityToken=actor.bearer or "",
    )


def _sts(endpoints: Endpoints, service: str | None, **fields: str) -> Request:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = urlencode({"Version": STS_VERSION, **fields}).encode()
    return Request("POST", f"{endpoints.sts}/", service, headers, body)


def _poll(path: str, service: str | None, *, by_cursor: bool) -> Question:
    def write(scene: Scene, actor: Actor, channel: str) -> Request:
        cursor = encode_cursor(Cursor({channel: _SOME_POSITION}))
        query = f"cursor={cursor}" if by_cursor else f"channels={_quote(channel)}"
        headers = {} if service else _bearer(actor.bearer)
        return Request("GET", f"{scene.endpoints.api}{path}?{query}", service, headers)

    return Question("keys" if service else "bearer", write)


def _join(scene: Scene, actor: Actor, mode: str) -> Request:
    return _post(scene, "/v1/session", {"mode": mode}, headers=_bearer(actor.login))


def _join_narrowed(scene: Scene, actor: Actor, channel: str) -> Request:
    body: Json = {"mode": "sts", "channels": [channel]}
    return _post(scene, "/v1/session", body, headers=_bearer(actor.login))


def _signed_post(scene: Scene, _actor: Actor, target: str) -> Request:
    path, _, channel = target.partition(" ")
    return _post(scene, path, _body_for(channel), "execute-api", let_through=_let_through(channel))


def _bearer_post(scene: Scene, actor: Actor, target: str) -> Request:
    path, _, channel = target.partition(" ")
    headers = _bearer(actor.bearer)
    return _post(
        scene, path, _body_for(channel), headers=headers, let_through=_let_through(channel)
    )


def _body_for(channel: str) -> Json:
    """Publish an event; where there is no channel, name no user, so that nobody is kicked."""
    return {"updates": [{"channel": channel, "op": "event", "data": "doctor"}]} if channel else {}


def _let_through(channel: str) -> frozenset[str]:
    return frozenset() if channel else frozenset({"malformed"})


def _post(
    scene: Scene,
    path: str,
    body: Json,
    service: str | None = None,
    headers: Mapping[str, str] | None = None,
    let_through: frozenset[str] = frozenset(),
) -> Request:
    url, headers = scene.endpoints.api + path, {**_JSON, **(headers or {})}
    return Request("POST", url, service, headers, encode_json(body), let_through)


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


def _quote(text: str) -> str:
    return quote(text, safe="")


_JSON: Final = {"content-type": "application/json"}

QUESTIONS: Final[Mapping[Action, Question]] = {
    Action.HTTPS_PUBLISH: Question("keys", _https_publish),
    Action.HTTPS_RETAIN: Question("keys", _https_retain),
    Action.GET_RETAINED: _data_plane("GET", "/retainedMessage/{}"),
    Action.LIST_RETAINED: _data_plane("GET", "/retainedMessage?maxResults=1"),
    Action.GET_CONNECTION: _data_plane("GET", "/connections/{}"),
    Action.LIST_SUBSCRIPTIONS: _data_plane("GET", "/connections/{}/subscriptions"),
    Action.END_CONNECTION: _data_plane("DELETE", "/connections/{}"),
    Action.CREATE_POLICY: _policy(""),
    Action.CHANGE_POLICY: _policy("/version"),
    Action.ATTACH: _attachment("PUT"),
    Action.DETACH: _attachment("POST"),
    Action.VOUCH: Question("keys", _vouch),
    Action.TAKE_CREDENTIALS: Question("bearer", _take_credentials),
    Action.ASSUME: Question("keys", _assume),
    Action.ASSUME_BY_TOKEN: Question("bearer", _assume_by_token),
    Action.POLL: _poll("/v1/updates", None, by_cursor=False),
    Action.POLL_CURSOR: _poll("/v1/updates", None, by_cursor=True),
    Action.SIGNED_POLL: _poll("/v1/signed/updates", "execute-api", by_cursor=False),
    Action.SIGNED_POLL_CURSOR: _poll("/v1/signed/updates", "execute-api", by_cursor=True),
    Action.JOIN: Question("login", _join),
    Action.JOIN_NARROWED: Question("login", _join_narrowed),
    Action.SIGNED_POST: Question("keys", _signed_post),
    Action.BEARER_POST: Question("bearer", _bearer_post),
}
