"""Ports that keep what they are given, for tests of the use cases around the real logs."""

from dataclasses import dataclass, field

from bellwire.errors import NotAllowed, Upstream
from bellwire.identity_ports import Credentials, Vouched
from bellwire.payloads import decode_payload
from bellwire.updates import Envelope


@dataclass
class KeepingBroker:
    """A broker whose subscribers are the test."""

    sent: list[tuple[str, bytes]] = field(default_factory=list)
    is_down: bool = False

    def publish(self, topic: str, payload: bytes) -> None:
        if self.is_down:
            raise Upstream("the broker is down")
        self.sent.append((topic, payload))

    def envelopes(self) -> list[Envelope]:
        return [decode_payload(payload) for _, payload in self.sent]


@dataclass
class OneGuest:
    """A pool with room for one guest, in which nobody can log in."""

    is_full: bool = False

    def new_guest(self) -> str:
        if self.is_full:
            raise NotAllowed("the pool is full")
        return "us-east-1:00000000-0000-4000-8000-000000000001"

    def credentials_for_guest(self, identity_id: str) -> Credentials:
        return Credentials(
            "ASIAEXAMPLE", f"secret of {identity_id[-1]}", "token", 1_795_421_063_000
        )

    def vouch_for(self, user: str, *, lifetime_s: int, identity_id: str | None = None) -> Vouched:
        raise AssertionError((user, lifetime_s, identity_id))

    def identity_of_login(self, provider: str, token: str) -> str:
        raise AssertionError((provider, token))

    def credentials_for_member(self, vouched: Vouched) -> Credentials:
        raise AssertionError(vouched)
