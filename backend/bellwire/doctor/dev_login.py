"""The login that `bellwire dev` plays, by which the doctor makes up its test users."""

from bellwire.errors import BellwireError, Malformed
from bellwire.http_calls import HttpCalls
from bellwire.wire_json import Json, decode_json, encode_json


def dev_login(calls: HttpCalls, user: str, groups: tuple[str, ...] = ()) -> str | None:
    """Log somebody in; None if the service is no `bellwire dev`.

    Raises:
        Malformed: it answers something else.
    """
    named: list[Json] = [*groups]
    try:
        found = decode_json(calls.post("/dev/login", encode_json({"user": user, "groups": named})))
    except BellwireError:
        return None
    match found:
        case {"token": str(token)}:
            return token
        case _:
            raise Malformed(f"expected a login token, found {str(found)[:80]!r}")
