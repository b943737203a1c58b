"""The commands of readers: whose login they take, and what they say when it does not work."""

import json
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from backend.reader_doubles import wait_for
from bellwire.publisher import HttpOutlet, Publisher
from members import log_in
from services import BELLWIRE, RunningService, running_service, tailing


@pytest.fixture
def name() -> str:
    """Of a user and a group that no other test has."""
    return f"n{uuid4().hex[:8]}"


@pytest.fixture
def publisher(service: RunningService) -> Publisher:
    return Publisher(HttpOutlet(service.url, service.key))


def test_the_terminal_tells_who_is_there(
    service: RunningService, publisher: Publisher, name: str
) -> None:
    room = f"group/{name}/room"
    publisher.event(room, 1)
    token = log_in(service, name, name)
    me = replace(service, environment={**service.environment, "BELLWIRE_TOKEN": token})
    assert me.run("presence", room).stdout == ""
    with tailing(me, room, "--rewind", "1") as tail:
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["channel"] == room
        wait_for(lambda: me.run("presence", room).stdout != "")
        plain, whole = me.run("presence", room), me.run("presence", "--json", room)
    assert (plain.returncode, plain.stderr) == (0, "")
    (line,) = plain.stdout.splitlines()
    told = json.loads(whole.stdout)
    assert line.startswith(f"{told['identity_id']} 1 connection since ")
    assert line.endswith(f" {name}")
    assert (told["user"], told["connections"], set(told)) == (
        name,
        1,
        {"identity_id", "user", "connections", "since"},
    )
    for words, message in (
        ((room,), "bellwire: "),
        (("public",), "bellwire: expected "),
    ):
        done = service.run("presence", *words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith(message)


def test_a_guest_of_the_terminal_is_the_same_each_time(tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo") as service:
        service.publish("public/a", "hello")
        for _ in range(2):
            done = service.run("tail", "public/a", "--rewind", "1", "--count", "1")
            assert (done.returncode, done.stderr) == (0, "")
        (kept,) = (tmp_path / ".local/state/bellwire/guests").iterdir()
        identity_id = kept.read_text().strip()
        with tailing(service, "public/a", "--rewind", "1") as tail:
            assert tail.stdout is not None
            tail.stdout.readline()
            wait_for(lambda: service.run("presence", "public/a").stdout != "")
            line = service.run("presence", "public/a").stdout
        assert line.startswith(f"{identity_id} 1 connection since ")
        assert line.endswith(" -\n")


def test_the_terminal_asks_a_command_for_its_token(
    service: RunningService, publisher: Publisher, name: str
) -> None:
    publisher.user(name).event("inbox", "hello")
    command = f"'{BELLWIRE}' token {name}"
    environment = {**service.environment, "BELLWIRE_TOKEN_COMMAND": command}
    me = replace(service, environment=environment)
    words = ("tail", "user/me/inbox", "--rewind", "1", "--count", "1", "--json")
    done = me.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["data"] == "hello"
    broken = replace(
        service, environment={**service.environment, "BELLWIRE_TOKEN_COMMAND": "false"}
    )
    for road in ((), ("--poll",)):
        done = broken.run(*words, *road)
        expected = "bellwire: no login token: false exited with 1\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_the_variables_of_readers_stop_nobody_else(service: RunningService, name: str) -> None:
    contradiction = {"BELLWIRE_PROVIDER": "x", "BELLWIRE_TOKEN_COMMAND": "'"}
    me = replace(service, environment={**service.environment, **contradiction})
    assert me.publish(f"public/{name}", 1)["seq"] == 1
    assert me.run("token", name).returncode == 0
    assert me.run("kick", name).returncode == 0
    for words in (("tail", f"public/{name}"), ("presence", f"public/{name}"), ("doctor",)):
        done = me.run(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("bellwire: expected a command")


def test_a_guest_needs_no_aws_configuration(service: RunningService, name: str) -> None:
    service.publish(f"public/{name}", "hello")
    elsewhere = {"AWS_PROFILE": "nowhere", "HTTP_PROXY": "http://127.0.0.1:9"}
    me = replace(service, environment={**service.environment, **elsewhere})
    done = me.run("tail", f"public/{name}", "--rewind", "1", "--count", "1")
    assert (done.returncode, done.stderr) == (0, "")
