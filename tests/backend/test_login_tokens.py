"""Tokens that a command prints."""

import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bellwire import login_tokens
from bellwire.config import login_of
from bellwire.errors import BellwireError, Malformed, Unauthenticated, Upstream
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
    ("command", "message", "kind"),
    [
        (f"{PYTHON} 'raise SystemExit(3)' s3cret", "exited with 3", Upstream),
        (f"{PYTHON} pass s3cret", "printed nothing", Unauthenticated),
        ("/nowhere/at-all s3cret", "No such file", Unauthenticated),
    ],
)
def test_a_command_that_gives_no_token_shows_no_argument(
    command: str, message: str, kind: type[BellwireError]
) -> None:
    """One that fails may do better later: what it asks may be restarting."""
    parsed = TokenCommand.parse(command)
    with pytest.raises(kind, match=f"^no login token: .*{message}") as caught:
        parsed()
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in repr(parsed)
    assert "s3cret" not in repr(Login(parsed))


def test_a_command_that_takes_too_long_shows_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_tokens, "COMMAND_WITHIN_S", 0.05)
    command = TokenCommand.parse(f"{PYTHON} 'import time; time.sleep(60)' s3cret")
    with pytest.raises(Upstream, match="took longer than") as caught:
        command()
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_what_a_token_function_raises_may_pass() -> None:
    def fail() -> str:
        raise KeyError("s3cret")

    with pytest.raises(Upstream, match=r"^the token function failed: KeyError$"):
        Login(fail).ask_token()


def test_a_token_function_may_say_itself_what_is_wrong() -> None:
    def refuse() -> str:
        raise Unauthenticated("signed out")

    with pytest.raises(Unauthenticated, match=r"^signed out$"):
        Login(refuse).ask_token()


@pytest.mark.parametrize("found", [None, "", " \n", 7, b"token", False])
def test_a_token_function_that_returns_no_token_is_no_guest(found: Any) -> None:
    with pytest.raises(Unauthenticated, match="token function"):
        Login(lambda: found).ask_token()


def test_a_token_is_taken_without_the_space_around_it() -> None:
    assert Login(lambda: " token\n").ask_token() == "token"


@pytest.mark.parametrize("text", ["", "  ", "a 's3cret", "s3cret \\"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="expected a command") as caught:
        TokenCommand.parse(text)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


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


def test_a_guest_is_kept_privately_by_many_threads_at_once(tmp_path: Path) -> None:
    guests = GuestFiles(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: guests.keep(POOL, GUEST), range(400)))
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert guests.find(POOL) == GUEST


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    guests = GuestFiles(tmp_path)
    (tmp_path / POOL.replace(":", "%3A") / "in the way").mkdir(parents=True)
    guests.keep(POOL, GUEST)
    assert guests.find(POOL) is None
    assert len(list(tmp_path.iterdir())) == 1
