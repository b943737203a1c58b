"""`bellwire doctor` as a user meets it: real processes against a real service."""

import re
import subprocess

import pytest

from bellwire.doctor.truth_table import truth_table
from documents import REPOSITORY
from services import BELLWIRE, RunningService

ROWS = len(truth_table())


def test_the_table_is_walked_and_summed_up(service: RunningService) -> None:
    done = service.run("doctor", "--truth-table")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[-1] == f"{ROWS} of {ROWS} rows are as expected"
    assert len(lines) == 15
    assert f"bellwire: tried 1000 of {ROWS} rows\n" in done.stderr


def test_tokens_and_profiles_are_taken_from_outside(service: RunningService) -> None:
    token = service.run("token", "arthur", "--group", "red").stdout.strip()
    words = ("doctor", "--truth-table", "--token", f"alice={token}", "--profile", "job=nobodys")
    done = run(service, *words, BELLWIRE_TOKEN_BOB="damaged")
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 2
    assert re.fullmatch(r"failed: \d+ rows of bob: expected a JSON Web Token.*", failed[0])
    assert re.fullmatch(r"failed: \d+ rows of job: the AWS profile 'nobodys' .*", failed[1])
    assert "mismatch" not in done.stdout.partition("\n")[2]


def test_a_service_that_is_not_there(service: RunningService) -> None:
    done = run(service, "doctor", "--truth-table", BELLWIRE_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "cannot reach http://127.0.0.1:9: connection refused" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_that_is_refused_is_one_clear_line(service: RunningService) -> None:
    done = run(service, "doctor", "--truth-table", BELLWIRE_KEY="wrong")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "bellwire: expected the key of this service as a bearer token"
    )


def test_the_list_needs_no_service() -> None:
    done = subprocess.run(
        [BELLWIRE, "doctor", "--truth-table", "--list"],
        capture_output=True,
        text=True,
        env={"BELLWIRE_URL": "http://127.0.0.1:9"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (REPOSITORY / "iot_policies" / "TRUTH_TABLE.md").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("--list",),
        ("--profile", "session=x"),
        ("--truth-table", "--stack", "x"),
        ("--truth-table", "--kick", "x"),
        ("--token", "alice=x"),
        ("--truth-table", "--token", "alice"),
        ("--truth-table", "--token", "alice="),
        ("--truth-table", "--token", "mallory=x"),
        ("--truth-table", "--profile", "guest=x"),
        ("--stack",),
    ],
)
def test_wrong_usage_exits_with_2(service: RunningService, words: tuple[str, ...]) -> None:
    done = service.run("doctor", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def run(
    service: RunningService, *words: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [BELLWIRE, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**service.environment, **environment},
    )
