"""`/dev/…`: what only a developer at this machine may ask of a running stand-in.

`POST /dev/faults` brings faults into force and answers what is, `GET` only answers; `POST /dev/cut`
ends every connection, once, and `POST /dev/expire` the credentials that are out with theirs; both
answer `{"connections": 3}`. `GET /dev/decisions?limit=N` tells the latest decisions, newest first,
and why. Where Bellwire runs beside it, `POST /dev/login` logs
anybody in, and `GET /dev/credentials` hands out the roles' keys to whoever has the service's. Never
part of a deployment, and off when the service listens for others.
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from bellwire.config import LOOPBACK
from bellwire.errors import BellwireError
from bellwire_local.dev.gate import holds_key
from bellwire_local.dev.login import DevLogin
from bellwire_local.errors import FaultsRefused
from bellwire_local.faults import read_fault_object
from bellwire_local.http_messages import HttpAnswer, HttpRequest, Operation
from bellwire_local.stand_in import StandIn

DECISIONS: Final = 100
MAX_DECISIONS: Final = 1000

_JSON = ("content-type", "application/json")


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)


Perform = Callable[[HttpRequest], object]
Endpoints = Mapping[tuple[str, str], Perform]
"""By method and path."""


def make_dev_operation(stand_in: StandIn, host: str, more: Endpoints | None = None) -> Operation:
    """Build what answers below `/dev/`, inside the stand-in's loop.

    Args:
        host: where the service listens.
        more: what is there besides.
    """
    endpoints: Endpoints = {
        ("GET", "/dev/faults"): lambda _request: _tell_faults(stand_in),
        ("POST", "/dev/faults"): lambda request: _set_faults(request, stand_in),
        ("POST", "/dev/cut"): lambda _request: {"connections": stand_in.faults.cut()},
        ("POST", "/dev/expire"): lambda _request: {"connections": stand_in.faults.expire()},
        ("GET", "/dev/decisions"): lambda request: _tell_decisions(request, stand_in),
        **(more or {}),
    }

    def answer(request: HttpRequest) -> HttpAnswer:
        try:
            _check_sender(request, host)
            return _json(200, _perform(request, endpoints))
        except _Refused as refused:
            error = {"code": refused.code, "message": refused.message}
            return _json(refused.status, {"error": error})

    return answer


def make_signpost(web_url: str) -> Operation:
    """Build what answers below `/dev/` on the AWS port of a service whose web port has them."""

    def answer(request: HttpRequest) -> HttpAnswer:
        message = f"{request.path} is not on AWS's port; expected {web_url}{request.path}"
        return _json(404, {"error": {"code": "not_found", "message": message}})

    return answer


def login_operation(login: DevLogin) -> Endpoints:
    """Build `POST /dev/login`: `{"user": "alice", "groups": ["ops"]}` → `{"token": "…"}`."""

    def log_in(request: HttpRequest) -> object:
        body = _read_object(request)
        groups = body.get("groups", [])
        if not isinstance(groups, list):
            raise _Refused(400, "malformed", f"groups is {groups!r:.80}; expected a list")
        try:
            return {"token": login.sign(body.get("user"), groups, time.time())}
        except BellwireError as error:
            raise _Refused(error.status, error.code, error.message) from error

    return {("POST", "/dev/login"): log_in}


def credentials_operation(credentials: Mapping[str, object], key: str) -> Endpoints:
    """Build `GET /dev/credentials`: the ready line's `credentials`, for whoever brings the key.

    Other users of this machine can ask as well, but do not have it.
    """

    def tell(request: HttpRequest) -> object:
        if not holds_key(request.headers.get("authorization", ""), key):
            message = "expected the key of this service as a bearer token"
            raise _Refused(401, "unauthenticated", message)
        return credentials

    return {("GET", "/dev/credentials"): tell}


def _perform(request: HttpRequest, endpoints: Endpoints) -> object:
    perform = endpoints.get((request.method, request.path))
    if perform is None:
        raise _Refused(404, "not_found", f"no endpoint {request.method} {request.path}")
    return perform(request)


def _read_object(request: HttpRequest) -> dict[str, object]:
    try:
        content = json.loads(request.body or b"")
    except (ValueError, RecursionError) as error:
        raise _Refused(400, "malformed", f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise _Refused(400, "malformed", f"the body is {content!r:.80}; expected an object")
    return content


def _check_sender(request: HttpRequest, host: str) -> None:
    if host not in LOOPBACK:
        raise _Refused(404, "not_found", f"there is nothing below /dev when --host is {host}")
    asked = request.headers.get("host", "")
    if _name_of(asked) not in LOOPBACK:
        raise _Refused(403, "not_allowed", f"expected this machine as the Host, found {asked!r}")
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{asked}":
        raise _Refused(403, "not_allowed", f"expected no Origin but http://{asked}: {origin!r}")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (request.method == "POST" or request.body_bytes) and kind != "application/json":
        raise _Refused(415, "malformed", f"expected a body of application/json, found {kind!r}")


def _name_of(authority: str) -> str | None:
    try:
        return urlsplit(f"//{authority}").hostname
    except ValueError:
        return None


def _set_faults(request: HttpRequest, stand_in: StandIn) -> object:
    try:
        content = json.loads(request.body or b"")
        faults = read_fault_object(content, fresh_seed=secrets.randbelow(1_000_000))
    except (ValueError, RecursionError) as error:
        raise _Refused(400, "malformed", f"the body is not JSON: {error}") from error
    except FaultsRefused as error:
        raise _Refused(400, "malformed", str(error)) from error
    stand_in.faults.set(faults)
    return _tell_faults(stand_in)


def _tell_faults(stand_in: StandIn) -> object:
    plan = stand_in.faults.plan
    return {} if plan is None else plan.faults.to_wire()


def _tell_decisions(request: HttpRequest, stand_in: StandIn) -> object:
    given = parse_qs(request.query, keep_blank_values=True).get("limit", [str(DECISIONS)])[-1]
    is_number = given.isascii() and given.isdigit() and len(given) <= 4
    if not is_number or not 1 <= int(given) <= MAX_DECISIONS:
        found = f"limit is {given!r}; expected a number from 1 to {MAX_DECISIONS}"
        raise _Refused(400, "malformed", found)
    return {"decisions": list(stand_in.decisions.latest(int(given)))}


def _json(status: int, content: object) -> HttpAnswer:
    headers = (_JSON, ("cache-control", "no-store"))
    return HttpAnswer(status, headers, json.dumps(content, separators=(",", ":")).encode())
