"""The login by which somebody reads, as it is given: a token, or what gives a fresh one."""

import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bellwire.errors import BellwireError, Malformed, Unauthenticated, Upstream
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
        """Return the token, a fresh one if that can be had; None for a guest.

        Raises:
            Upstream: the function failed, which may pass; an error of ours it may raise itself.
            Unauthenticated: it returned no token.
        """
        return _call(self.token) if callable(self.token) else self.token

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

    words: tuple[str, ...] = field(repr=False)  # there may be secrets among them

    @classmethod
    def parse(cls, text: str) -> "TokenCommand":
        """Read a command line, e.g. `"bellwire token alice"`.

        Raises:
            Malformed: a quote is not closed, or there are no words.
        """
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            # Without the text, in which there may be secrets.
            raise Malformed(f"expected a command as a shell takes it: {error}") from None
        if not words:
            raise Malformed("expected a command, found no words")
        return cls(words)

    def __call__(self) -> str:
        """Run it; what it says on stderr is seen.

        Raises:
            Unauthenticated: it cannot be run, or prints no token.
            Upstream: it fails or takes too long, which may pass.
        """
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=COMMAND_WITHIN_S,
                check=True,
            )
        except OSError as error:
            raise Unauthenticated(f"no login token: {error}") from None
        except subprocess.SubprocessError as error:
            # Neither is chained: both hold the arguments.
            raise Upstream(f"no login token: {self.words[0]} {_reason(error)}") from None
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


def _call(function: Callable[[], object]) -> str:
    try:
        token = function()
    except BellwireError:
        raise
    except Exception as error:
        raise Upstream(f"the token function failed: {type(error).__name__}") from error
    if token is not None and not isinstance(token, str):
        found = type(token).__name__
        raise Unauthenticated(f"expected text of the token function, found {found}")
    if not token or not token.strip():
        raise Unauthenticated("the token function returned nothing")
    return token.strip()


def _reason(error: subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"exited with {error.returncode}"
    return f"took longer than {COMMAND_WITHIN_S:.0f} s"
