"""AWS as a test sees it: what is attached to whom, who is connected, who is who in the pool; and
calls that fail."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bellwire.errors import NotAllowed, TooMany, Unauthenticated, Upstream
from bellwire.grants import Grant
from bellwire.identity_ports import Credentials, LiveConnection, Vouched


@dataclass
class AttachedPolicies:
    """A `Grants` that keeps what it is told; `before` runs ahead of each call."""

    attached: dict[str, set[str]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    failing: int = 0

    def attach(self, identity_id: str, grant: Grant) -> None:
        self._call("attach", grant.name)
        self.attached.setdefault(identity_id, set()).add(grant.name)

    def detach(self, identity_id: str, name: str) -> None:
        self._call("detach", name)
        self.attached.setdefault(identity_id, set()).discard(name)

    def of(self, identity_id: str) -> set[str]:
        """Name what is attached, without the stage and the hash: `{"member", "group.red"}`."""
        return {short(name) for name in self.attached.get(identity_id, set())}

    def _call(self, what: str, name: str) -> None:
        self.before()
        if self.failing > 0:
            self.failing -= 1
            raise TooMany("AWS changes no more policies", 1)
        self.calls.append((what, short(name)))


def short(name: str) -> str:
    return name.removeprefix("bellwire.dev.").rpartition(".")[0]


@dataclass
class LiveClients:
    """A `Connections` of the clients in `connected`; `ended` are those that were."""

    connected: set[str] = field(default_factory=set)
    ended: list[str] = field(default_factory=list)
    failing: int = 0

    def find(self, client_id: str) -> LiveConnection | None:
        return LiveConnection(client_id, 0, ()) if client_id in self.connected else None

    def end(self, client_id: str) -> bool:
        if self.failing > 0:
            self.failing -= 1
            raise Upstream("AWS IoT could not be reached")
        self.ended.append(client_id)
        was_connected = client_id in self.connected
        self.connected.discard(client_id)
        return was_connected


@dataclass
class PoolOfUsers:
    """An `Identities` of people who are `logged_in` by a provider's token, and of any user.

    Attributes:
        logged_in: identities by provider and token; another login is refused.
        sign: makes the token of an identity that ends at a time in s.
        now_s: the pool's clock.
    """

    logged_in: dict[tuple[str, str], str] = field(default_factory=dict)
    sign: Callable[[str, int], str] = lambda identity_id, ends_at_s: f"{identity_id} {ends_at_s}"
    now_s: Callable[[], float] = lambda: 0
    users: dict[str, str] = field(default_factory=dict)
    guests: int = 0

    def new_guest(self) -> str:
        self.guests += 1
        return f"us-east-1:00000000-0000-4000-8000-9{self.guests:011x}"

    def credentials_for_guest(self, identity_id: str) -> Credentials:
        return self._credentials(identity_id)

    def vouch_for(self, user: str, *, lifetime_s: int, identity_id: str | None = None) -> Vouched:
        if user not in self.users:
            number = len(self.users) + 1
            self.users[user] = identity_id or f"us-east-1:00000000-0000-4000-8000-{number:012x}"
        found, ends_at_s = self.users[user], int(self.now_s()) + lifetime_s
        if identity_id not in (None, found):
            raise NotAllowed(f"{user} is somebody else")
        return Vouched(found, self.sign(found, ends_at_s), ends_at_s)

    def identity_of_login(self, provider: str, token: str) -> str:
        if (provider, token) not in self.logged_in:
            raise Unauthenticated("Cognito refused: Invalid login token.")
        return self.logged_in[provider, token]

    def credentials_for_member(self, vouched: Vouched) -> Credentials:
        return self._credentials(vouched.identity_id)

    def _credentials(self, identity_id: str) -> Credentials:
        ends_at_ms = int(self.now_s() + 3600) * 1000
        return Credentials("ASIAEXAMPLE", f"secret of {identity_id}", "session", ends_at_ms)
