"""The command line for users: log them in, publish to them, follow as them, kick them."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest

from members import ask
from services import RunningService, running_service, tailing

WITHIN_S = 30


@pytest.fixture
def user() -> str:
    return f"user-{uuid4().hex[:8]}"


@pytest.fixture
def group() -> str:
    return uuid4().hex


def log_in(service: RunningService, user: str, *groups: str) -> RunningService:
    """Return the service as a shell has it in which BELLWIRE_TOKEN is set."""
    words = [word for group in groups for word in ("--group", group)]
    done = service.run("token", user, *words)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    environment = {**service.environment, "BELLWIRE_TOKEN": done.stdout.strip()}
    return replace(service, environment=environment)


def publish(service: RunningService, user: str, name: str, data: Any, *op: str) -> dict[str, Any]:
    done = service.run("publish", "--user", user, name, json.dumps(data), *op)
    assert (done.returncode, done.stderr) == (0, "")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def next_update(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    update: dict[str, Any] = json.loads(process.stdout.readline())
    return update


def assert_one_line(done: "subprocess.CompletedProcess[str]", message: str) -> None:
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith("bellwire: ")
    assert message in done.stderr


def test_a_token_says_who_and_which_groups(service: RunningService) -> None:
    done = service.run("token", "ann", "--group", "red", "--group", "ops:eu", "--group", "red")
    claims = jwt.decode(done.stdout.strip(), options={"verify_signature": False})
    assert (claims["sub"], claims["groups"]) == ("ann", ["ops:eu", "red"])
    assert claims["exp"] - claims["iat"] == 12 * 3600
    assert ask(service, "POST", "/v1/session", {}, done.stdout.strip()).status == 200


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("token", ""), "expected a user's name of 1 to 256 printable characters"),
        (("token", "a\nb"), "expected a user's name"),
        (("token", "us-east-1:00000000-0000-4000-8000-00000000000a"), "expected a user's name"),
        (("token", "ann", "--group", "a/b"), "expected groups named by 1 to 64"),
        (("token", "ann", "--group", ""), "expected groups named by 1 to 64"),
        (("kick", ""), "expected a user's name"),
        (
            ("kick", "us-east-1:00000000-0000-4000-8000-00000000000a"),
            "nobody with the identity us-east-1:00000000-0000-4000-8000-00000000000a",
        ),
        (("publish", "--user", "", "inbox", "1"), "expected a user's name"),
        (("publish", "--user", "ann", "a b", "1"), "expected channel segments of 1 to 64"),
        (("publish", "--user", "ann", "", "1"), "expected channel segments of 1 to 64"),
        (("publish", "--user", "ann", "../x", "1"), "expected channel segments"),
        (("publish", "--user", "ann", "a/b/c/d/e", "1"), "expected 3 to 6 segments"),
        (("publish", "--user", "ann", "inbox", "{"), "DATA: expected JSON"),
    ],
)
def test_bad_input_is_one_clear_line(
    service: RunningService, words: tuple[str, ...], message: str
) -> None:
    assert_one_line(service.run(*words), message)


@pytest.mark.parametrize(
    "words",
    [
        ("token",),
        ("token", "ann", "bob"),
        ("token", "ann", "--group"),
        ("kick",),
        ("kick", "ann", "bob"),
        ("publish", "--user", "ann"),
        ("publish", "--user", "ann", "inbox"),
    ],
)
def test_wrong_usage_exits_with_2(service: RunningService, words: tuple[str, ...]) -> None:
    done = service.run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("kick", "ann"), ("publish", "--user", "ann", "inbox", "1")])
def test_the_key_is_needed(service: RunningService, words: tuple[str, ...]) -> None:
    """As it is by whoever has only another user's files."""
    wrong = replace(service, environment={**service.environment, "BELLWIRE_KEY": "wrong"})
    assert_one_line(wrong.run(*words), "expected the key of this service")
    without = {**service.environment, "HOME": "/nowhere", "XDG_RUNTIME_DIR": "/nowhere"}
    assert_one_line(replace(service, environment=without).run(*words), "no key for http://")


def test_a_users_channel_has_an_address_before_they_come(
    service: RunningService, user: str
) -> None:
    first = publish(service, user, "inbox", "hello")
    assert first["channel"].startswith("user/us-east-1:")
    assert first["channel"].endswith("/inbox")
    assert publish(service, user, "inbox", 7, "--set", "unread")["seq"] == 2
    done = service.run("publish", "--user", user, "inbox", "--delete", "unread")
    assert json.loads(done.stdout)["seq"] == 3
    lines = service.run("publish", "inbox", "-", "--user", user, stdin="4\n5\n")
    assert [json.loads(line)["seq"] for line in lines.stdout.splitlines()] == [4, 5]
    me = log_in(service, user)
    done = me.run("tail", "user/me/inbox", "--poll", "--json", "--rewind", "9", "--count", "3")
    assert [json.loads(line)["data"] for line in done.stdout.splitlines()] == ["hello", 4, 5]


@pytest.mark.parametrize("road", [(), ("--poll",)])
def test_a_user_follows_what_is_theirs(
    service: RunningService, user: str, group: str, road: tuple[str, ...]
) -> None:
    me, room = log_in(service, user, group), f"group/{group}/room"
    public = f"public/{group}"
    for name in (room, public):
        service.publish(name, "before")
    whole = publish(service, user, "inbox", "before")["channel"]
    words = ("user/me/inbox", room, public, "--rewind", "1", *road)
    with tailing(me, *words) as tail:
        first = [next_update(tail) for _ in range(3)]
        assert {update["channel"] for update in first} == {"user/me/inbox", room, public}
        publish(service, user, "inbox", {"n": 1}, "--set", "k")
        inbox = next_update(tail)
        service.publish(room, "in the room")
        in_room = next_update(tail)
        service.publish(public, "outside")
        outside = next_update(tail)
    assert (inbox["channel"], inbox["seq"], inbox["key"], inbox["data"]) == (
        "user/me/inbox",
        2,
        "k",
        {"n": 1},
    )
    assert (in_room["channel"], in_room["data"]) == (room, "in the room")
    assert (outside["channel"], outside["data"]) == (public, "outside")
    with tailing(me, whole, "--rewind", "1", "--count", "1", *road) as tail:
        assert next_update(tail)["channel"] == whole


@pytest.mark.parametrize("road", [(), ("--poll",)])
def test_nobody_follows_what_is_not_theirs(
    service: RunningService, user: str, group: str, road: tuple[str, ...]
) -> None:
    mine = publish(service, user, "inbox", 1)["channel"]
    stranger = log_in(service, f"{user}-other")
    for name in (mine, f"group/{group}/room"):
        assert_one_line(stranger.run("tail", name, *road), f"you may not read {name}")
    guest = service.run("tail", f"group/{group}/room", *road)
    assert_one_line(guest, "is not for guests: set BELLWIRE_TOKEN")


@pytest.mark.parametrize("words", [(), ("--poll",)], ids=["push", "poll"])
def test_a_narrowed_tail_follows_as_well(
    service: RunningService, user: str, group: str, words: tuple[str, ...]
) -> None:
    room = f"group/{group}/room"
    shell = log_in(service, user, group)
    publish(service, user, "inbox", "before")
    service.publish(room, "before")
    wanted = ("--narrow", "--rewind", "1", "--count", "2", "--json", "user/me/inbox", room)
    done = shell.run("tail", *words, *wanted)
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(one["channel"] for one in told) == sorted(["user/me/inbox", room])


def test_a_guest_has_nothing_to_narrow(service: RunningService) -> None:
    done = service.run("tail", "--narrow", "public/a")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("bellwire: --narrow is for who has logged in: set BELLWIRE_TOKEN\n")


@pytest.mark.parametrize("token", ["x", "a.b.c", "{token}x"])
def test_a_login_that_does_not_hold_is_one_clear_line(
    service: RunningService, user: str, token: str
) -> None:
    found = log_in(service, user).environment["BELLWIRE_TOKEN"]
    environment = {**service.environment, "BELLWIRE_TOKEN": token.replace("{token}", found)}
    elsewhere = replace(service, environment=environment)
    for words in (("user/me/inbox",), ("user/me/inbox", "--poll")):
        done = elsewhere.run("tail", *words)
        assert_one_line(done, "oken")
        assert found not in done.stderr


def test_a_token_that_no_header_takes_is_one_clear_line(service: RunningService) -> None:
    environment = {**service.environment, "BELLWIRE_TOKEN": "a\u00e9"}
    done = replace(service, environment=environment).run("tail", "user/me/inbox")
    assert_one_line(done, "expected BELLWIRE_TOKEN to be one line of ASCII")


@pytest.mark.parametrize("road", [(), ("--poll",)])
def test_a_kicked_tail_ends_with_one_line(
    service: RunningService, user: str, road: tuple[str, ...]
) -> None:
    publish(service, user, "inbox", "hello")
    with tailing(log_in(service, user), "user/me/inbox", "--rewind", "1", *road) as tail:
        assert next_update(tail)["data"] == "hello"
        done = service.run("kick", user)
        connections = "0 connections" if road else "1 connection"
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{user} (us-east-1:")
        assert done.stdout.endswith(f"is out: {connections} ended\n")
        out, err = tail.communicate(timeout=WITHIN_S)
    assert (tail.returncode, out) == (1, "")
    assert err == "bellwire: access was revoked since: log in again\n"


def test_a_kicked_tail_of_public_channels_ends_as_well(service: RunningService, user: str) -> None:
    channel = f"public/{user}"
    service.publish(channel, "hello")
    with tailing(log_in(service, user), channel, "--rewind", "1") as tail:
        assert next_update(tail)["data"] == "hello"
        service.run("kick", user)
        out, err = tail.communicate(timeout=WITHIN_S)
    assert (tail.returncode, out) == (1, "")
    assert err.splitlines()[-1] == "bellwire: access was revoked since: log in again"


def test_a_kicked_user_comes_back_by_a_new_token_alone(service: RunningService, user: str) -> None:
    publish(service, user, "inbox", "hello")
    words = ("tail", "user/me/inbox", "--poll", "--rewind", "1", "--count", "1", "--json")
    old = log_in(service, user)
    assert old.run(*words).returncode == 0
    service.run("kick", user)
    assert_one_line(old.run(*words), "access was revoked since: log in again")
    done = log_in(service, user).run(*words)
    assert json.loads(done.stdout)["data"] == "hello"


def test_where_guests_are_off_a_user_follows_public_channels(tmp_path: Path) -> None:
    setup = tmp_path / "setup.json"
    setup.write_text('{"pool":{"unauthenticated_role":null}}')
    with running_service(tmp_path, "--no-demo", "--setup", str(setup)) as service:
        service.publish("public/a", "hello")
        me = log_in(service, "ann")
        for road in ((), ("--poll",)):
            assert_one_line(service.run("tail", "public/a", *road), "guests are switched off here")
            with tailing(me, "public/a", "--rewind", "1", *road) as tail:
                assert next_update(tail)["data"] == "hello"
                service.publish("public/a", "more")
                assert next_update(tail)["data"] == "more"
                service.publish("public/a", "hello")
        with tailing(me, "public/a", "--rewind", "1") as tail:
            assert next_update(tail)["data"] == "hello"
            service.run("kick", "ann")
            out, err = tail.communicate(timeout=WITHIN_S)
        assert (tail.returncode, out) == (1, "")
        assert err == "bellwire: access was revoked since: log in again\n"


def test_a_service_with_a_login_of_its_own_makes_no_tokens(tmp_path: Path) -> None:
    """Nobody is logged in by asking where the service is for others as well."""
    with running_service(tmp_path, "--no-demo", "--host", "0.0.0.0") as service:
        url = service.url.replace("0.0.0.0", "127.0.0.1")
        environment = {**service.environment, "BELLWIRE_URL": url}
        done = replace(service, environment=environment).run("token", "ann")
        assert_one_line(done, "this service has a login of its own")
