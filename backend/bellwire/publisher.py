"""The library's front door for jobs: `Publisher.from_env().set("public/host", "cpu", 7)`."""

import os
from collections.abc import Mapping, Sequence
from typing import Protocol, Self
from uuid import uuid4

from bellwire.channels import check_publishable
from bellwire.config import target_of
from bellwire.errors import BadChannel, BellwireError, Upstream
from bellwire.http_calls import HttpCalls, Proof
from bellwire.proofs import KeyProof, proof_for
from bellwire.publications import (
    MAX_PUBLICATIONS,
    Publication,
    Published,
    Result,
    decode_publication,
    decode_result,
    encode_publication,
)
from bellwire.updates import LIBRARY_ID_PREFIX, Draft, check_draft
from bellwire.wire_json import Json, decode_json, encode_json

MAX_REQUEST_BYTES = 1_048_576  # protocol §1


class Outlet(Protocol):
    """Where a publisher's requests go: an HTTP endpoint, or a use case in this process."""

    def send(self, request: bytes) -> bytes:
        """Carry `{"updates": […]}` there and `{"results": […]}` back; safe to repeat."""
        ...

    def find_user(self, request: bytes) -> bytes:
        """Carry `{"user": "alice"}` there and `{"identity_id": "…"}` back; safe to repeat."""
        ...


class HttpOutlet:
    """`POST /v1/publish` and `POST /v1/users` of a service."""

    def __init__(self, url: str, proof: str | Proof) -> None:
        """Ask nothing yet.

        Args:
            url: of the service, e.g. `"http://127.0.0.1:8080"`.
            proof: the service's key, or what else proves that we may publish.
        """
        self._calls = HttpCalls(url, KeyProof(proof) if isinstance(proof, str) else proof)

    def send(self, request: bytes) -> bytes:
        """See `Outlet.send`."""
        return self._calls.post("/v1/publish", request)

    def find_user(self, request: bytes) -> bytes:
        """See `Outlet.find_user`."""
        return self._calls.post("/v1/users", request)


class User:
    """One user as an address: publishes to the channels that only they read.

    Attributes:
        identity_id: the identity that stands in the names of those channels.
    """

    def __init__(self, publisher: "Publisher", identity_id: str) -> None:
        self._publisher = publisher
        self.identity_id = identity_id

    def channel(self, name: str) -> str:
        """Name one of their channels as jobs do: `"inbox"` → `"user/us-east-1:…/inbox"`.

        The user's own client calls it `user/me/inbox`.

        Raises:
            BadChannel: that is no name.
        """
        if name.startswith("user/"):
            raise BadChannel(f"expected a name such as inbox, found {name!r:.80}")
        return check_publishable(f"user/{self.identity_id}/{name}")

    def event(self, name: str, data: Json, *, id: str | None = None) -> Published:  # noqa: A002 - the word of the interface
        """Publish an event to one of their channels, e.g. `"inbox"`. See `Publisher.event`."""
        return self._publisher.event(self.channel(name), data, id=id)

    def set(self, name: str, key: str, value: Json, *, id: str | None = None) -> Published:  # noqa: A002 - the word of the interface
        """Set a key of the state of one of their channels. See `Publisher.event`."""
        return self._publisher.set(self.channel(name), key, value, id=id)

    def delete(self, name: str, key: str, *, id: str | None = None) -> Published:  # noqa: A002 - the word of the interface
        """Remove a key from the state of one of their channels. See `Publisher.event`."""
        return self._publisher.delete(self.channel(name), key, id=id)


class Publisher:
    """Publishes updates; each call returns when they are safely in the log.

    Every update carries an id, made here if the caller gives none, so that a request whose answer
    was lost is repeated without publishing twice.
    """

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._users: dict[str, User] = {}

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Publish to the service at `BELLWIRE_URL`, by default `bellwire dev` on this machine.

        It proves itself by a key, that of `environment` or the one that `bellwire dev` has left; or
        by the AWS SDK's usual credentials, which are this process's own.

        Raises:
            Unauthenticated: neither was found.
        """
        target = target_of(environment)
        return cls(HttpOutlet(target.url, proof_for(target)))

    def event(self, channel: str, data: Json, *, id: str | None = None) -> Published:  # noqa: A002 - the word of the interface
        """Publish an event: each one counts.

        Args:
            channel: for example `"public/news"`.
            data: any JSON value.
            id: the same id again, within 24 hours, publishes nothing and returns the first place.

        Raises:
            BellwireError: whatever of `errors` it was; nothing is in the log then, unless the
                error is `Upstream`, after which a repetition with the same `id` is safe.
        """
        return self._one(channel, Draft("event", data=data, id=id))

    def set(self, channel: str, key: str, value: Json, *, id: str | None = None) -> Published:  # noqa: A002 - the word of the interface
        """Set a key of the channel's state: the newest value counts. See `event`."""
        return self._one(channel, Draft("set", key, value, id))

    def delete(self, channel: str, key: str, *, id: str | None = None) -> Published:  # noqa: A002 - the word of the interface
        """Remove a key from the channel's state. See `event`."""
        return self._one(channel, Draft("delete", key, id=id))

    def user(self, name: str) -> User:
        """Address a user by the name that the application's own login gives them.

        Works before they have ever logged in: their identity is made then. Found once, remembered
        by this publisher.

        Raises:
            Malformed: that is no user's name.
            BellwireError: the service refused, or cannot be reached.
        """
        if name not in self._users:
            found = decode_json(self._outlet.find_user(encode_json({"user": name})))
            match found:
                case {"identity_id": str(identity_id)}:
                    self._users[name] = User(self, identity_id)
                case _:
                    raise Upstream(f"expected an identity, found {str(found)[:80]!r}")
        return self._users[name]

    def publish(self, updates: Sequence[Mapping[str, Json]]) -> list[Result]:
        """Publish many in order, e.g. `{"channel": "public/news", "op": "event", "data": 7}`.

        Returns:
            One result each, in order: a `Published`, or the error that this update met. After a
            channel's first failure the rest of that channel fails too.

        Raises:
            BellwireError: a whole request failed; repeating it is safe where the updates have ids.
        """
        publications = [decode_publication(dict(update)) for update in updates]
        return self._many(publications)

    def _one(self, channel: str, draft: Draft) -> Published:
        (result,) = self._many([Publication(check_publishable(channel), check_draft(draft))])
        if isinstance(result, BellwireError):
            raise result
        return result

    def _many(self, publications: Sequence[Publication]) -> list[Result]:
        results: dict[int, Result] = {}
        wires: list[tuple[int, dict[str, Json]]] = []
        for at, publication in enumerate(publications):
            if isinstance(publication.draft, BellwireError):
                results[at] = publication.draft
            else:
                wires.append((at, _with_id(publication.channel, publication.draft)))
        for batch in _batches(wires):
            results |= self._send(batch)
        return [results[at] for at in range(len(publications))]

    def _send(self, batch: Sequence[tuple[int, dict[str, Json]]]) -> dict[int, Result]:
        answer = decode_json(
            self._outlet.send(encode_json({"updates": [wire for _, wire in batch]}))
        )
        match answer:
            case {"results": list(results)} if len(results) == len(batch):
                return {
                    at: _as_first(decode_result(result), wire)
                    for (at, wire), result in zip(batch, results, strict=True)
                }
            case _:
                raise Upstream(f"expected {len(batch)} results, found {str(answer)[:80]!r}")


def _with_id(channel: str, draft: Draft) -> dict[str, Json]:
    wire = encode_publication(channel, draft)
    return {**wire, "id": draft.id or LIBRARY_ID_PREFIX + uuid4().hex}


def _as_first(result: Result, wire: Mapping[str, Json]) -> Result:
    """A duplicate of an id made here is our own request, repeated after a lost answer."""
    is_ours = str(wire["id"]).startswith(LIBRARY_ID_PREFIX)
    if isinstance(result, Published) and result.duplicate and is_ours:
        return Published(result.channel, result.epoch, result.seq)
    return result


def _batches(
    wires: Sequence[tuple[int, dict[str, Json]]],
) -> list[list[tuple[int, dict[str, Json]]]]:
    batches: list[list[tuple[int, dict[str, Json]]]] = []
    room_bytes = 0
    for at, wire in wires:
        size = len(encode_json(wire)) + 1
        if not batches or len(batches[-1]) == MAX_PUBLICATIONS or size > room_bytes:
            batches.append([])
            room_bytes = MAX_REQUEST_BYTES - 64
        batches[-1].append((at, wire))
        room_bytes -= size
    return batches
