"""Tokens that a command prints."""

import sys
from pathlib import Path

import pytest

from bellwire.config import login_of
from bellwire.errors import Malformed, Unauthenticated
from bellwire.guest_identities import GuestFiles
from bellwire.login_tokens import Login, TokenCommand

POOL = "us-east-1:79bd4e7a-670c-45d6-8efb-7204a94dc1eb"
GUEST = "us-east-1:00000000-0000-4000-8000-00000000000a"
PYTHON = f"'{sys.executable}' -c"


def test_the_command_is_run_for_each_token(tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = f'open("{count}", "a").write("x"); print(open("{count}").read())'
    command = TokenCommand.parse(f"{PYTHON} '{script}'")
    assert [command(), command()] == ["x", "xx"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (f"{PYTHON} 'raise SystemExit(3)' secret", "exited with 3"),
        (f"{PYTHON} pass secret", "printed nothing"),
        ("/nowhere/at-all secret", "No such file"),
    ],
)
def test_a_command_that_gives_no_token_is_a_login_that_does_not_hold(
    command: str, message: str
) -> None:
    with pytest.raises(Unauthenticated, match=f"^no login token: .*{message}") as caught:
        TokenCommand.parse(command)()
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("text", ["", "  ", "a 'b"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="expected a command"):
        TokenCommand.parse(text)


def test_the_environment_says_who_reads() -> None:
    assert login_of({}) == Login()
    assert login_of({"BELLWIRE_TOKEN": "t"}) == Login("t")
    provider = {"BELLWIRE_TOKEN": "t", "BELLWIRE_PROVIDER": "graph.facebook.com"}
    assert login_of(provider) == Login("t", "graph.facebook.com")
    command = login_of({"BELLWIRE_TOKEN_COMMAND": "pass show 'my app'"})
    assert command == Login(TokenCommand(("pass", "show", "my app")))


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"BELLWIRE_TOKEN": "t", "BELLWIRE_TOKEN_COMMAND": "c"}, "expected one of BELLWIRE_TOKEN"),
        ({"BELLWIRE_PROVIDER": "p"}, "expected BELLWIRE_TOKEN with BELLWIRE_PROVIDER"),
        ({"BELLWIRE_TOKEN_COMMAND": "'"}, "expected a command"),
        ({"BELLWIRE_TOKEN": "caf\u00e9"}, "expected BELLWIRE_TOKEN to be one line of ASCII"),
    ],
)
def test_an_environment_that_contradicts_itself_is_a_clear_error(
    environment: dict[str, str], message: str
) -> None:
    with pytest.raises(Malformed, match=message):
        login_of(environment)


def test_a_guest_is_kept_in_a_private_file(tmp_path: Path) -> None:
    guests = GuestFiles(tmp_path / "state" / "guests")
    assert guests.find(POOL) is None
    guests.keep(POOL, GUEST)
    assert GuestFiles(tmp_path / "state" / "guests").find(POOL) == GUEST
    assert guests.find("us-east-1:another") is None
    (path,) = (tmp_path / "state" / "guests").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    guests.keep(POOL, None)
    assert guests.find(POOL) is None
    guests.keep(POOL, None)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"../../etc/passwd", b"{}"])
def test_a_file_that_holds_something_else_is_nobody(tmp_path: Path, content: bytes) -> None:
    guests = GuestFiles(tmp_path)
    guests.keep(POOL, GUEST)
    next(tmp_path.iterdir()).write_bytes(content)
    assert guests.find(POOL) is None


def test_a_directory_that_takes_no_file_keeps_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    guests = GuestFiles(tmp_path / "file" / "guests")
    guests.keep(POOL, GUEST)
    assert guests.find(POOL) is None
    guests.keep(POOL, None)
