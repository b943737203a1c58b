"""People who log in at a running service, over HTTP as their browsers would."""

import json
from dataclasses import dataclass
from typing import Any

import urllib3

from services import RunningService
from signing import Keys

POOL = urllib3.PoolManager(retries=False)


@dataclass(frozen=True)
class Reply:
    """An answer; `content` is its JSON, None if it has none."""

    status: int
    content: Any
    headers: dict[str, str]

    @property
    def code(self) -> tuple[int, str]:
        """Status and error code of a refusal."""
        return self.status, self.content["error"]["code"]


def ask(
    service: RunningService,
    method: str,
    path: str,
    body: object = None,
    token: str | None = None,
    **headers: str,
) -> Reply:
    """Ask an endpoint; a body that is no bytes is sent as JSON."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    if body is not None:
        sent.setdefault("content-type", "application/json")
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    response = POOL.request(method, service.url + path, body=data, headers=sent)
    is_json = response.headers.get("content-type") == "application/json"
    content = json.loads(response.data) if is_json and response.data else None
    received = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status, content, received)


def log_in(service: RunningService, user: str, *groups: str) -> str:
    """Return a login token."""
    reply = ask(service, "POST", "/dev/login", {"user": user, "groups": list(groups)})
    assert reply.status == 200, reply
    return str(reply.content["token"])


def open_session(
    service: RunningService, user: str, *groups: str, **body: object
) -> dict[str, Any]:
    """Log in and open a session."""
    reply = ask(service, "POST", "/v1/session", body, log_in(service, user, *groups))
    assert reply.status == 200, reply
    session: dict[str, Any] = reply.content
    return session


def keys_of(holder: dict[str, Any]) -> Keys:
    """Read credentials as a session or the ready line has them."""
    found = holder.get("credentials", holder)
    return Keys(found["access_key_id"], found["secret_access_key"], found["session_token"])
