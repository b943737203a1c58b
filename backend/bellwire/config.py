"""What the environment decides: every name that Bellwire reads there, and the files it keeps.

The command line and `Publisher.from_env` find a service by `BELLWIRE_URL` and prove themselves with
the key that `bellwire dev` leaves for its port, or with `BELLWIRE_KEY`; without either they sign
with the AWS SDK's usual credentials. `bellwire tail`, `bellwire
presence` and `Subscriber.from_env` read as the user whose login token is in `BELLWIRE_TOKEN`, or is
printed by the command in `BELLWIRE_TOKEN_COMMAND` (asked anew for each session, about once an
hour), or else as a guest. `BELLWIRE_PROVIDER` names the provider of a token that does not tell it,
e.g. `graph.facebook.com`. `bellwire doctor` takes the login tokens of its test users from
`BELLWIRE_TOKEN_ALICE`, `_BOB` and `_CAROL`.
"""

import os
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from platformdirs import user_runtime_path, user_state_path

from bellwire.errors import Malformed
from bellwire.login_tokens import Login, TokenCommand

URL_NAME: Final = "BELLWIRE_URL"
KEY_NAME: Final = "BELLWIRE_KEY"
TOKEN_NAME: Final = "BELLWIRE_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_COMMAND_NAME: Final = "BELLWIRE_TOKEN_COMMAND"  # noqa: S105 - as above
PROVIDER_NAME: Final = "BELLWIRE_PROVIDER"
TEST_TOKEN_NAMES: Final = {
    "alice": "BELLWIRE_TOKEN_ALICE",
    "bob": "BELLWIRE_TOKEN_BOB",
    "carol": "BELLWIRE_TOKEN_CAROL",
}
RUNTIME_DIR_NAME: Final = "XDG_RUNTIME_DIR"
DEFAULT_URL: Final = "http://127.0.0.1:8080"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Target:
    """A service, and the key that entitles to publish there; None: not found."""

    url: str
    key: str | None = field(repr=False)


def target_of(environment: Mapping[str, str]) -> Target:
    """Read which service is meant.

    Raises:
        Malformed: `BELLWIRE_URL` is no http or https URL, or `BELLWIRE_KEY` cannot be sent.
    """
    url = environment.get(URL_NAME, DEFAULT_URL).rstrip("/")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("http", "https"):
        raise Malformed(f"expected {URL_NAME} to be an http or https URL, found {url!r}")
    key = environment.get(KEY_NAME) or _left_key(host, port)
    if key is not None and not (key.isascii() and key.isprintable()):
        raise Malformed(f"expected {KEY_NAME} to be one line of ASCII")
    return Target(url, key)


def login_of(environment: Mapping[str, str]) -> Login:
    """Read who reads there: nobody but readers asks, so that their variables stop nobody else.

    Raises:
        Malformed: the variables contradict each other, or one holds what it cannot.
    """
    token, command = environment.get(TOKEN_NAME), environment.get(TOKEN_COMMAND_NAME)
    provider = environment.get(PROVIDER_NAME) or None
    if token and command:
        raise Malformed(f"expected one of {TOKEN_NAME} and {TOKEN_COMMAND_NAME}, found both")
    if provider is not None and not (token or command):
        raise Malformed(f"expected {TOKEN_NAME} with {PROVIDER_NAME}, found none")
    if command:
        return Login(TokenCommand.parse(command), provider)
    if token and not (token.isascii() and token.isprintable()):
        raise Malformed(f"expected {TOKEN_NAME} to be one line of ASCII")
    return Login(token or None, provider)


def key_files(port: int) -> list[Path]:
    """Name the files in which `bellwire dev` may leave its key, by its web port; best place first.

    The runtime directory is not there in every session of a user (cron, containers).
    """
    places = [user_state_path("bellwire", appauthor=False) / "run"]
    if RUNTIME_DIR_NAME in os.environ or sys.platform == "darwin":
        with warnings.catch_warnings():
            # platformdirs warns where it falls back to a folder that others could make before us.
            warnings.simplefilter("error")
            with suppress(UserWarning):
                places.insert(0, user_runtime_path("bellwire", appauthor=False))
    return [place / f"{port}.key" for place in places]


def default_data_dir() -> Path:
    """Name the folder that holds the log and the stand-in's keys unless `--data` names another."""
    return user_state_path("bellwire", appauthor=False)


def _left_key(host: str, port: int | None) -> str | None:
    """Find the key by the port, and offer it to this machine alone."""
    if host in LOOPBACK:
        for path in key_files(port or 80):
            with suppress(OSError, UnicodeDecodeError):
                return path.read_text().strip()
    return None
