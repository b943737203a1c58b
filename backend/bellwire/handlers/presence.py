"""GET /v1/presence: who is connected and on a channel now."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from bellwire import access
from bellwire.channels import check_channel, resolve_me
from bellwire.errors import Malformed, NotAllowed
from bellwire.handlers.edge import (
    Deployment,
    Event,
    Response,
    json_response,
    query_of,
    require_members,
)
from bellwire.handlers.poll import reader_of
from bellwire.identity_ports import Directory, PresenceStore
from bellwire.presence import LookUp, present_on
from bellwire.present_json import encode_present

_PRIVATE: Final = {"cache-control": "private, no-store"}


def handle_presence(event: Event, deployment: Deployment) -> Response:
    """Answer who is on a channel to who may read it. Raises as `answer_presence`."""
    members, reader = require_members(deployment), reader_of(event, deployment)
    return answer_presence(
        event,
        store=members.presence,
        directory=members.directory,
        may_read=lambda channel: access.may_read(reader, channel, deployment.place),
        resolve=lambda name: resolve_me(name, reader.identity_id),
        namespaces=members.presence_namespaces,
        is_for_guest=reader.identity_id is None,
    )


def answer_presence(
    event: Event,
    *,
    store: PresenceStore,
    directory: Directory,
    may_read: Callable[[str], bool],
    resolve: Callable[[str], str],
    namespaces: frozenset[str],
    is_for_guest: bool = False,
    look_up: LookUp = map,
) -> Response:
    """Answer `?channel=group/red/room` with `{"v":1,"channel","present":[{"identity_id",…}, …]}`.

    Args:
        event: the request.
        store: who is where.
        directory: who they are.
        may_read: whether the caller may read a channel, with `me` put in its place.
        resolve: puts the caller's identity in the place of `me`.
        namespaces: where presence is switched on, e.g. `{"group", "public"}`.
        is_for_guest: whether the caller has not logged in, and is not told how others are called.
        look_up: see `present_on`.

    Raises:
        NotAllowed: the caller may not read the channel, or presence is switched off there.
    """
    name = _channel_of(query_of(event))
    channel = resolve(name)
    if not may_read(channel):
        raise NotAllowed(f"you may not read {name}", name)
    namespace = name.partition("/")[0]
    if namespace not in namespaces:
        raise NotAllowed(f"presence is switched off in {namespace}/")
    present = present_on(channel, store=store, directory=directory, look_up=look_up)
    if is_for_guest:
        present = [replace(one, user=None) for one in present]
    return json_response(200, encode_present(name, present), _PRIVATE)


def _channel_of(query: dict[str, str]) -> str:
    if set(query) != {"channel"}:
        raise Malformed(f"expected channel=… and nothing else, found {sorted(query)}")
    return check_channel(query["channel"])
