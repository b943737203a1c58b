"""The command line as a user meets it: real processes against a real service."""

import errno
import json
import os
import resource
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services import BELLWIRE, RunningService, running_service, tailing


@pytest.fixture
def channel() -> str:
    return f"public/{uuid4().hex}"


def updates_of(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """Wait for a tail with --count to end, and read what it printed."""
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_publish_prints_where_the_update_stands(service: RunningService, channel: str) -> None:
    first = service.publish(channel, {"title": "hello"}, "--event")
    second = service.publish(channel, 7, "--set", "cpu")
    deleted = service.run("publish", channel, "--delete", "cpu")
    assert (first["channel"], first["seq"], first["duplicate"]) == (channel, 1, False)
    assert (second["seq"], json.loads(deleted.stdout)["seq"]) == (2, 3)


def test_the_same_id_again_is_a_duplicate(service: RunningService, channel: str) -> None:
    first = service.publish(channel, 1, "--id", "job-1")
    assert service.publish(channel, 2, "--id", "job-1") == {**first, "duplicate": True}


def test_each_line_of_stdin_is_an_update(service: RunningService, channel: str) -> None:
    lines = "".join(f"{n}\n\n" for n in range(250))
    done = service.run("publish", channel, "-", stdin=lines)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == list(range(1, 251))


def test_a_line_is_published_before_the_next_one_comes(
    service: RunningService, channel: str
) -> None:
    process = service.start("publish", channel, "-")
    assert process.stdin is not None
    assert process.stdout is not None
    for n in (1, 2):
        process.stdin.write(f"{n}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["seq"] == n
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_bad_line_stops_after_the_good_ones(service: RunningService, channel: str) -> None:
    done = service.run("publish", channel, "-", stdin=b'1\n2\n{"a":\xff}\n4\n')
    assert done.returncode == 1
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [1, 2]
    assert done.stderr == "bellwire: line 3: DATA: expected UTF-8, found byte 0xff at 5\n"


def test_a_failure_ends_it_though_more_lines_may_come(
    service: RunningService, channel: str
) -> None:
    process = service.start("publish", channel, "-")
    assert process.stdin is not None
    process.stdin.write("{\n")
    process.stdin.flush()
    assert process.wait(10) == 1
    out, err = process.communicate()
    assert (out, err.count("\n")) == ("", 1), err
    assert err.startswith("bellwire: line 1: DATA: expected JSON, found the end at character 2")


def test_a_closed_standard_input_is_one_clear_line(service: RunningService, channel: str) -> None:
    words = f'"$0" publish {channel} - <&-'
    done = subprocess.run(
        ["sh", "-c", words, BELLWIRE], capture_output=True, text=True, env=service.environment
    )
    assert (done.returncode, done.stderr) == (
        1,
        "bellwire: expected lines on standard input, found it closed\n",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("news", "1"), "expected a channel that begins with public/, user/ or group/"),
        (("public/#", "1"), "expected channel segments of 1 to 64"),
        (
            ("user/me/inbox", "1"),
            "expected an identity id such as us-east-1:5b1a7c0e-…",
        ),
        (("public/a", "{hello}"), "DATA: expected JSON, found 'hello}' at character 1"),
        (("public/a", ""), "DATA: expected JSON, found the end at character 0"),
        (("public/a", '{"a":1,"a":2}'), "key 'a' stands twice in one JSON object"),
        (("public/a", "1", "--id", "a b"), "expected an id of 1 to 128"),
        (("public/a", "1", "--set", "k" * 257), "expected a key of at most 256 bytes"),
        (("public/a", '"' + "x" * 102_400 + '"'), "at most 102400 bytes, found 1024"),
    ],
)
def test_bad_input_is_one_clear_line(
    service: RunningService, words: tuple[str, ...], message: str
) -> None:
    done = service.run("publish", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("bellwire: ")
    assert message in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("publish",),
        ("publish", "public/a"),
        ("publish", "public/a", "1", "--delete", "k"),
        ("publish", "public/a", "1", "--event", "--set", "k"),
        ("tail",),
        ("tail", "public/a", "--count", "0"),
        ("tail", "public/a", "--rewind", "101"),
        ("dev", "--port", "65536"),
        ("fly",),
    ],
)
def test_wrong_usage_exits_with_2(service: RunningService, words: tuple[str, ...]) -> None:
    done = service.run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tail", "news"), "expected a channel that begins with public/"),
        (("tail", "public/a", "--since", "garbage"), "expected a cursor of an earlier answer"),
        (
            ("tail", "user/me/inbox", "--poll"),
            "user/me/inbox is not for guests: set BELLWIRE_TOKEN",
        ),
    ],
)
def test_a_tail_that_cannot_be_is_one_clear_line(
    service: RunningService, words: tuple[str, ...], message: str
) -> None:
    done = service.run(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert message in done.stderr


@pytest.mark.parametrize("words", [("publish", "public/a", "1"), ("tail", "public/a")])
def test_a_service_that_is_not_there_is_one_clear_line(
    service: RunningService, words: tuple[str, ...]
) -> None:
    elsewhere = {**service.environment, "BELLWIRE_URL": "http://127.0.0.1:9", "BELLWIRE_KEY": "x"}
    done = subprocess.run([BELLWIRE, *words], capture_output=True, text=True, env=elsewhere)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "bellwire: cannot reach http://127.0.0.1:9: connection refused;"
        " is `bellwire dev` running?\n"
    )


def test_push_and_poll_tell_the_same_updates_in_the_same_order(
    service: RunningService, channel: str
) -> None:
    before = service.publish(channel, "before")
    with (
        tailing(service, channel, "--rewind", "1", "--count", "31") as push,
        tailing(service, channel, "--rewind", "1", "--count", "31", "--poll") as poll,
    ):
        for process in (push, poll):  # each has its first answer before the rest is published
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["data"] == "before"
        service.run("publish", channel, "-", stdin="".join(f"{n}\n" for n in range(30)))
        pushed, polled = updates_of(push), updates_of(poll)
    assert [update["data"] for update in pushed] == list(range(30))
    assert pushed == polled
    assert {"epoch": before["epoch"], "op": "event", "key": None}.items() <= pushed[0].items()


def test_the_first_update_of_a_channel_is_told(service: RunningService, channel: str) -> None:
    other = f"{channel}/other"
    service.publish(other, "ready")
    with tailing(service, channel, other, "--rewind", "1", "--count", "3") as tail:
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["channel"] == other
        service.publish(channel, "first")
        assert json.loads(tail.stdout.readline())["data"] == "first"
        service.publish(channel, 2, "--set", "k")
        last = json.loads(tail.stdout.readline())
    assert (last["channel"], last["seq"], last["key"], last["data"]) == (channel, 2, "k", 2)


def test_since_goes_on_from_a_cursor(service: RunningService, channel: str) -> None:
    service.publish(channel, 1)
    answer = subprocess.run(
        ["curl", "-sf", f"{service.url}/v1/updates?channels={channel}"], capture_output=True
    )
    cursor = json.loads(answer.stdout)["cursor"]
    service.publish(channel, 2)
    service.publish(channel, 3)
    with tailing(service, channel, "--since", cursor, "--count", "2") as tail:
        assert [update["data"] for update in updates_of(tail)] == [2, 3]


def test_a_tail_whose_reader_leaves_ends_quietly(service: RunningService, channel: str) -> None:
    tail = service.start("tail", channel, "--rewind", "1")
    assert tail.stdout is not None
    assert tail.stderr is not None
    service.publish(channel, 1)
    assert "event 1" in tail.stdout.readline()
    tail.stdout.close()
    service.publish(channel, 2)
    assert tail.wait(30) == 1
    assert tail.stderr.read() == ""
    tail.stderr.close()
    assert tail.stdin is not None
    tail.stdin.close()


def test_a_file_behind_stdout_that_takes_no_more_is_one_clear_line(
    service: RunningService, channel: str, tmp_path: Path
) -> None:
    with (tmp_path / "full").open("w") as full:
        done = subprocess.run(
            [BELLWIRE, "publish", channel, "1"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=service.environment,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        )
    assert done.returncode == 1
    assert done.stderr == f"bellwire: [Errno {errno.EFBIG}] {os.strerror(errno.EFBIG)}\n"


def dev(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(directory)}
    return subprocess.run(
        [BELLWIRE, "dev", "--port", "0", "--iot-port", "0", "--aws-port", "0", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )


def assert_one_line(done: "subprocess.CompletedProcess[str]", message: str) -> None:
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert message in done.stderr


@pytest.mark.parametrize("option", ["--port", "--iot-port", "--aws-port"])
def test_a_port_in_use_is_one_clear_line(
    service: RunningService, tmp_path: Path, option: str
) -> None:
    name = {"--port": "web", "--iot-port": "iot", "--aws-port": "aws"}[option]
    port = service.ready[name].split(":")[2].split("/")[0]
    done = dev(tmp_path, option, port, "--data", str(tmp_path / "data"))
    assert_one_line(done, f"port {port} on 127.0.0.1 is in use by another process")


def test_a_data_directory_that_cannot_be_one_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = dev(tmp_path, "--data", str(tmp_path / "file" / "data"))
    assert_one_line(done, "Not a directory")


def test_a_database_file_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_text("this is a diary, not a database. " * 99)
    done = dev(tmp_path, "--data", str(tmp_path))
    assert_one_line(done, "file is not a database")


def test_a_second_service_on_the_same_data_is_one_clear_line(
    service: RunningService, tmp_path: Path
) -> None:
    data = service.log.parent / "data"
    assert_one_line(dev(tmp_path, "--data", str(data)), "another process is using it")


def test_a_restart_keeps_the_log_the_pool_and_the_guests(tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo") as first:
        before = first.publish("public/a", 1)
    with running_service(tmp_path, "--no-demo") as second:
        after = second.publish("public/a", 2)
        assert (after["epoch"], after["seq"]) == (before["epoch"], 2)
        assert second.ready["identity_pool_id"] == first.ready["identity_pool_id"]
        assert second.ready["job"] == first.ready["job"]
    assert second.process.returncode == 0
    assert second.log.read_text() == ""
