"""The library's front door for readers: `Subscriber(URL).follow(["public/host"])`."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

from bellwire.bearer_calls import BearerCalls
from bellwire.channels import check_channel
from bellwire.config import default_data_dir, login_of, target_of
from bellwire.cursors import MAX_CHANNELS
from bellwire.errors import Malformed
from bellwire.followed import Followed
from bellwire.guest_identities import GuestFiles, GuestIdentities, RememberedGuests
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.login_tokens import Login, LoginToken
from bellwire.opening import Joined
from bellwire.present_json import PresentPerson, decode_present
from bellwire.service_config import ServiceConfig, read_service_config
from bellwire.tailing import Follower
from bellwire.told import Told
from bellwire.updates import Position


class Subscriber:
    """Reads channels as somebody: a guest, or a user by their login.

    What it follows may be iterated over in one thread, and everything else be called in others.
    `close`, or the end of a `with`, ends it all.
    """

    def __init__(
        self,
        url: str,
        token: LoginToken | None = None,
        *,
        provider: str | None = None,
        channels: Sequence[str] = (),
        guests: GuestIdentities | None = None,
    ) -> None:
        """Ask nothing yet.

        Args:
            url: of the service, e.g. `"http://127.0.0.1:8080"`.
            token: of the application's own login or of a provider's; a function is asked anew for
                each session, about once an hour, so that a login that has ended can be replaced.
                None: a guest.
            provider: whose token it is, e.g. `"graph.facebook.com"`; None: its issuer tells.
            channels: all that a user's sessions are to be good for, whoever logs in; empty: all
                that they may read. A guest's session is good for what is public.
            guests: where a guest's identity is kept; None: here, for as long as this lives.

        Raises:
            Malformed: a provider without a token, or one text in the place of channels.
            BadChannel: one of the channels is none.
        """
        self._calls = HttpCalls(url.rstrip("/"))
        self._channels = _check_all(channels)
        login = self._login_of(token, provider)
        self._joining = Joining(self._calls, login, guests or RememberedGuests())
        self._bearer_calls = BearerCalls(self._calls, self._joining)
        self._config: ServiceConfig | None = None
        self._followers: list[Follower] = []
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End for good: whatever is followed ends, once a request that is under way is answered.

        Any thread may call this, and none has to.
        """
        self._is_closed = True
        for follower in list(self._followers):
            follower.close()

    @classmethod
    def from_env(
        cls, environment: Mapping[str, str] = os.environ, *, channels: Sequence[str] = ()
    ) -> Self:
        """Read at the service at `BELLWIRE_URL`, as the user of `BELLWIRE_TOKEN` or as a guest.

        A guest's identity is kept in the user's state directory.

        Raises:
            Malformed: a variable is set to what it cannot be.
        """
        target, login = target_of(environment), login_of(environment)
        guests = GuestFiles(default_data_dir() / "guests")
        return cls(
            target.url, login.token, provider=login.provider, channels=channels, guests=guests
        )

    def follow(
        self,
        channels: Iterable[str],
        *,
        since: Mapping[str, Position] | None = None,
        rewind: int = 0,
        is_poll_only: bool = False,
        tells_state: bool = True,
    ) -> Iterator[Told]:
        """Tell every update of some channels, once and in order, until `close`.

        Args:
            channels: for example `["public/host", "user/me/inbox"]`.
            since: from where to go on, by channel (`Told.position`); others begin at their tail.
            rewind: how many of the newest events to begin with where there is no position.
            is_poll_only: never open a socket.
            tells_state: whether to begin with the state where there is no position.

        Raises:
            BadChannel: that is no name. At once, as the other errors of the call itself.
            Malformed: too many channels, or none, or one text in their place.
            BellwireError: while it is iterated over: refused for good, e.g. `NotAllowed`. What may
                pass is tried again, except at the very beginning: a service that cannot be reached
                then is `Upstream`.
        """
        names = sorted(set(_check_all(channels)))
        if not 1 <= len(names) <= MAX_CHANNELS:
            raise Malformed(f"expected 1 to {MAX_CHANNELS} channels, found {len(names)}")
        positions = {name: (since or {}).get(name) for name in names}
        followed = Followed(positions, rewind=rewind, tells_state=tells_state)
        follower = Follower(self._calls, self._joining, followed)
        return self._run(follower, is_poll_only=is_poll_only)

    def _run(self, follower: Follower, *, is_poll_only: bool) -> Iterator[Told]:
        self._followers.append(follower)
        if self._is_closed:  # after the line above: see close
            follower.close()
        try:
            yield from follower.follow(is_poll_only=is_poll_only)
        finally:
            self._followers.remove(follower)

    def presence(self, channel: str) -> list[PresentPerson]:
        """Return who follows a channel by push at the moment, the longest there first.

        Raises:
            NotAllowed: the channel may not be read, or its namespace has no presence.
            Unauthenticated: the login does not hold.
            BellwireError: the service refused otherwise, or cannot be reached.
        """
        query = {"channel": check_channel(channel)}
        if self._joining.is_guest:
            return decode_present(self._calls.get("/v1/presence", query))
        return decode_present(self._bearer_calls.get("/v1/presence", query, self._read_config()))

    def identity(self) -> Joined:
        """Return who the service says this is; a session is opened if there is none.

        Raises:
            Unauthenticated: the login does not hold.
            NotAllowed: guests are switched off.
            BellwireError: the service refused otherwise, or cannot be reached.
        """
        return self._joining.session(self._read_config())

    def login(self, token: LoginToken, *, provider: str | None = None) -> None:
        """Become the user of this login; what is followed goes on as theirs.

        Private channels tell that continuity was lost and begin anew, public ones go on. What was
        meant for the user before is not told any more, nor are their errors. Returns at once; what
        is followed goes on once a request that is under way is answered. Not needed when a login is
        only renewed: a token function does that without a break.

        Raises:
            Malformed: a provider without a token.
        """
        self._become(self._login_of(token, provider))

    def logout(self) -> None:
        """Become a guest again: following private channels ends with `NotAllowed`."""
        if not self._joining.is_guest:
            self._become(Login())

    def _become(self, login: Login) -> None:
        self._joining.become(login)
        for follower in list(self._followers):
            follower.wake()

    def _login_of(self, token: LoginToken | None, provider: str | None) -> Login:
        if token is not None:
            return Login(token, provider, self._channels)
        if provider is not None:
            raise Malformed("expected a token with a provider: a guest has neither")
        return Login()

    def _read_config(self) -> ServiceConfig:
        if self._config is None:
            self._config = read_service_config(self._calls)
        return self._config


def _check_all(channels: Iterable[str]) -> tuple[str, ...]:
    if isinstance(channels, str):
        raise Malformed(f"expected a list of channels, found the text {channels!r:.80}")
    return tuple(check_channel(name) for name in channels)
