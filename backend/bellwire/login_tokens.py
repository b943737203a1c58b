"""The login by which somebody reads, as it is given: a token, or what gives a fresh one."""

import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bellwire.errors import Malformed, Unauthenticated
from bellwire.wire_json import Json

COMMAND_WITHIN_S: Final = 60.0

LoginToken = str | Callable[[], str]
"""A token of the application's own login or of a provider's, or what gives a fresh one."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who wants to read.

    Attributes:
        token: a function is asked anew for each session; None: a guest.
        provider: whose token it is, e.g. `"graph.facebook.com"`; None: its issuer tells.
        channels: all that the sessions are to be good for; empty: all that are readable.
    """

    token: LoginToken | None = field(default=None, repr=False)
    provider: str | None = None
    channels: tuple[str, ...] = ()

    @property
    def is_guest(self) -> bool:
        """Whether nobody in particular wants to read."""
        return self.token is None

    @property
    def is_renewable(self) -> bool:
        """Whether a fresh token can be had."""
        return callable(self.token)

    def ask_token(self) -> str | None:
        """Return the token, a fresh one if that can be had; None for a guest."""
        return self.token() if callable(self.token) else self.token

    def wish(self) -> dict[str, Json]:
        """Return the body of `POST /v1/session`."""
        body: dict[str, Json] = {"credentials": True}
        if self.provider is not None:
            body["provider"] = self.provider
        if self.channels:
            body |= {"mode": "sts", "channels": list(self.channels)}
        return body


@dataclass(frozen=True, slots=True)
class TokenCommand:
    """Gives a fresh token whenever it is called: the one line that a command prints.

    The command is split as a shell would; no shell runs it.
    """

    words: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "TokenCommand":
        """Read a command line, e.g. `"bellwire token alice"`.

        Raises:
            Malformed: a quote is not closed, or there are no words.
        """
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise Malformed(f"expected a command, found {text!r:.80}: {error}") from error
        if not words:
            raise Malformed(f"expected a command, found {text!r:.80}")
        return cls(words)

    def __call__(self) -> str:
        """Run it; what it says on stderr is seen.

        Raises:
            Unauthenticated: it cannot be run, fails, takes too long or prints no token.
        """
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=COMMAND_WITHIN_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Unauthenticated(f"no login token: {_reason(error)}") from error
        token = done.stdout.decode(errors="replace").strip()
        if not token:
            raise Unauthenticated(f"no login token: {self.words[0]} printed nothing")
        return token


def bearer_headers(token: str | None) -> Mapping[str, str]:
    """Return the header that says who calls; none for a guest.

    Raises:
        Malformed: no header takes such a token.
    """
    if token is None:
        return {}
    if not (token.isascii() and token.isprintable()):
        raise Malformed("expected a token to be one line of ASCII")
    return {"authorization": f"Bearer {token}"}


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    """Say what went wrong without the arguments, among which there may be secrets."""
    match error:
        case subprocess.CalledProcessError():
            return f"{error.cmd[0]} exited with {error.returncode}"
        case subprocess.TimeoutExpired():
            return f"{error.cmd[0]} took longer than {COMMAND_WITHIN_S:.0f} s"
        case _:
            return str(error)
