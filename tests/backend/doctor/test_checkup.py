"""`bellwire doctor` follows the way from end to end, and names what is wrong where it is wrong."""

import json
import re
import shlex
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from backend.doctor.checkups import STEPS, check_up, report_of
from backend.test_proofs import without_key
from bellwire.config import Target
from bellwire.doctor.checkup import Checkup, Wanted
from bellwire.doctor.steps import take
from members import ask, open_session
from services import BELLWIRE, RunningService, running_service


def allow(*actions: str, resource: str = "*") -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}],
    }


MEMBER_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": "cognito-identity.amazonaws.com"},
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
            "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": "{pool}"}},
        }
    ],
}


def setup_of(directory: Path, **roles: Any) -> str:
    """Write a setup in which some roles have other policies."""
    path = directory / "setup.json"
    path.write_text(json.dumps({"roles": roles}))
    return str(path)


def test_everything_is_well(service: RunningService) -> None:
    done = service.run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["ok", step] for step in STEPS
    ]
    assert re.search(r"^ok    received      after \d+ ms$", done.stdout, re.MULTILINE)


def test_each_step_is_an_object(service: RunningService) -> None:
    report = check_up(service)
    assert (report.code, tuple(report.steps), report.failed, report.skipped) == (0, STEPS, [], [])
    assert report.found["publish"] == report.found["polled"]
    assert all(isinstance(ms, int) for ms in report.ms.values())
    user, identity_id = report.found["session"].removeprefix("a member, ").split()
    assert re.fullmatch(r"doctor\.[0-9a-f]{16}", user)
    assert report.found["presence"] == f"on public/doctor: {identity_id}, {user}, connections: 1"
    whom, _, became = report.found["kicked"].partition(": ")
    assert whom == f"{user} {identity_id}"
    assert re.fullmatch(
        r"connection ended after \d+ ms, bearer refused, a fresh login works", became
    )


def test_who_is_named_by_a_login_alone_is_not_kicked(service: RunningService) -> None:
    user = f"real-{uuid4().hex[:8]}"
    session = open_session(service, user)
    token = service.run("token", user).stdout.strip()
    report = check_up(service, BELLWIRE_TOKEN=token)
    assert (report.code, report.skipped) == (0, ["kicked"])
    assert report.found["session"] == f"a member, {session['identity_id']}"
    assert report.found["kicked"].endswith("may be a real one: name a test user by --kick USER")
    path = "/v1/updates?channels=user/me/x"
    assert ask(service, "GET", path, token=session["token"]).status == 200


@pytest.mark.parametrize("named_by", ["user", "identity"])
def test_the_test_user_who_is_named_is_kicked(service: RunningService, named_by: str) -> None:
    user = f"test-{uuid4().hex[:8]}"
    identity_id = open_session(service, user)["identity_id"]
    command = shlex.join([str(BELLWIRE), "token", user])
    named = identity_id if named_by == "identity" else user
    report = check_up(service, "--kick", named, BELLWIRE_TOKEN_COMMAND=command)
    assert (report.code, report.failed, report.skipped) == (0, [], [])
    whom = identity_id if named == identity_id else f"{user} {identity_id}"
    assert report.found["kicked"].startswith(f"{whom}: connection ended")
    assert report.found["kicked"].endswith("bearer refused, a fresh login works")


def test_a_token_that_cannot_be_renewed_is_said(service: RunningService) -> None:
    user = f"test-{uuid4().hex[:8]}"
    token = service.run("token", user).stdout.strip()
    report = check_up(service, "--kick", user, BELLWIRE_TOKEN=token)
    assert report.code == 0
    assert report.found["kicked"].endswith(
        "a fresh login was not tried: that takes BELLWIRE_TOKEN_COMMAND"
    )


def test_whom_to_kick_goes_with_their_login(service: RunningService) -> None:
    other = f"other-{uuid4().hex[:8]}"
    bystander = open_session(service, other)
    report = check_up(service, "--kick", other)
    assert (report.code, report.skipped) == (0, ["kicked"])
    assert report.found["kicked"] == (
        "--kick is for the user of BELLWIRE_TOKEN or BELLWIRE_TOKEN_COMMAND: set one"
    )
    path = "/v1/updates?channels=user/me/x"
    assert ask(service, "GET", path, token=bystander["token"]).status == 200


def test_another_user_is_never_kicked(service: RunningService) -> None:
    other = f"other-{uuid4().hex[:8]}"
    bystander = open_session(service, other)
    token = service.run("token", f"test-{uuid4().hex[:8]}").stdout.strip()
    report = check_up(service, "--kick", other, BELLWIRE_TOKEN=token)
    assert (report.code, report.failed) == (1, ["kicked"])
    assert report.found["kicked"].startswith(
        f"nobody was kicked: {other!r} is {bystander['identity_id']}, but us-east-1:"
    )
    path = "/v1/updates?channels=user/me/x"
    assert ask(service, "GET", path, token=bystander["token"]).status == 200


def test_a_guest_is_told_what_it_takes(tmp_path: Path) -> None:
    """Where others can reach it, a service has no login that makes people up."""
    with running_service(tmp_path, "--no-demo", "--host", "0.0.0.0") as service:
        url = service.url.replace("0.0.0.0", "127.0.0.1")
        report = check_up(service, BELLWIRE_URL=url)
        assert (report.code, report.skipped, report.failed) == (0, ["kicked"], [])
        assert report.found["session"].startswith("a guest, us-east-1:")
        assert report.found["kicked"].startswith(
            "a guest cannot be kicked: set BELLWIRE_TOKEN_COMMAND"
        )


def test_a_service_that_is_not_there(service: RunningService) -> None:
    report = check_up(service, BELLWIRE_URL="http://127.0.0.1:9")
    assert (report.code, report.failed) == (1, ["config"])
    assert report.skipped == list(STEPS[1:])
    assert report.found["config"] == (
        "cannot reach http://127.0.0.1:9: connection refused; is `bellwire dev` running?"
    )
    assert report.found["session"] == "needs config"


def test_a_key_that_is_refused(service: RunningService) -> None:
    report = check_up(service, BELLWIRE_KEY="wrong")
    assert (report.code, report.failed) == (1, ["publish", "kicked"])
    assert report.skipped == ["received", "polled"]
    assert report.found["publish"] == (
        "expected the key of this service as a bearer token, or a signature"
    )


def test_a_job_that_may_not_publish(tmp_path: Path) -> None:
    setup = setup_of(tmp_path, publisher_role={"policy": allow("iot:Publish")})
    with running_service(tmp_path / "service", "--no-demo", "--setup", setup) as service:
        job = without_key(service, service.ready["job"])
        report = check_up(job)
    assert report.failed == ["publish", "kicked"]
    key_id = service.ready["job"]["access_key_id"]
    assert report.found["publish"].endswith(
        f"the AWS credentials {key_id} (env) should be of somebody who is allowed"
        " execute-api:Invoke on arn:aws:execute-api:us-east-1:*:*/*/POST/v1/publish (tried by the"
        " SDK's credentials)"
    )
    assert "/*/POST/v1/kick" in report.found["kicked"]


def test_profiles_publish_and_kick(service: RunningService, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "".join(
            f"[profile {name}]\naws_access_key_id = {service.ready[name]['access_key_id']}\n"
            f"aws_secret_access_key = {service.ready[name]['secret_access_key']}\n"
            for name in ("job", "operator")
        )
    )
    shell = without_key(service, None)
    words = ("--profile", "job=job", "--profile", "operator=operator")
    report = check_up(shell, *words, AWS_CONFIG_FILE=str(config))
    assert (report.code, report.failed, report.skipped) == (0, [], [])
    assert report.found["publish"].endswith(", by the profile job")
    swapped = ("--profile", "job=job", "--profile", "operator=job")
    report = check_up(shell, *swapped, AWS_CONFIG_FILE=str(config))
    assert report.failed == ["kicked"]
    assert report.found["kicked"].endswith("/*/POST/v1/kick (tried by the profile job)")
    missing = check_up(shell, "--profile", "job=nobodys", AWS_CONFIG_FILE=str(config))
    assert "the AWS profile 'nobodys' does not work" in missing.found["publish"]


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (
            ("iot:Connect",),
            "should allow iot:Subscribe on arn:aws:iot:us-east-1:*:topicfilter/",
        ),
        (
            ("iot:Subscribe",),
            "should allow iot:Connect on arn:aws:iot:us-east-1:*:client/us-east",
        ),
    ],
)
def test_a_member_who_may_not(tmp_path: Path, actions: tuple[str, ...], message: str) -> None:
    member = {"policy": allow(*actions), "trust": MEMBER_TRUST}
    setup = setup_of(tmp_path, member_role=member)
    with running_service(tmp_path / "service", "--no-demo", "--setup", setup) as service:
        report = check_up(service)
    assert (report.code, report.failed) == (1, ["subscribe"])
    assert report.skipped == ["received", "presence", "kicked"]
    assert "member_role, and the IoT policies attached to the member, " in report.found["subscribe"]
    assert message in report.found["subscribe"]


def test_a_member_who_may_not_receive(tmp_path: Path) -> None:
    member = {"policy": allow("iot:Connect", "iot:Subscribe"), "trust": MEMBER_TRUST}
    setup = setup_of(tmp_path, member_role=member)
    with running_service(tmp_path / "service", "--no-demo", "--setup", setup) as service:
        report = check_up(service)
    assert (report.code, report.failed) == (1, ["received"])
    assert report.found["received"].startswith(
        "nothing came within 10 s: is iot:Receive on"
        " arn:aws:iot:us-east-1:*:topic/dev/public/doctor allowed?"
    )


def test_messages_that_are_dropped(tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo", "--faults", "drop=1") as service:
        report = check_up(service)
    assert (report.code, report.failed) == (1, ["received"])
    assert report.found["received"].endswith(
        "At `bellwire dev`, are faults in force, such as drop?"
    )
    assert report.is_ok["polled"] is True


def test_upgrades_that_are_refused(tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo", "--faults", "refuse=1") as service:
        report = check_up(service)
    assert report.failed == ["subscribe"]
    assert report.found["subscribe"].startswith("the websocket was refused (upgrade 0x87 HTTP 403)")


CLOCK_BEHIND = """
import sys, time
from datetime import timedelta
import botocore.auth
real, now = time.time, botocore.auth.get_current_datetime
time.time = lambda: real() - {seconds}
botocore.auth.get_current_datetime = lambda *any: now(*any) - timedelta(seconds={seconds})
from bellwire.cli import main
sys.exit(main())
"""


def test_a_wrong_clock(service: RunningService, tmp_path: Path) -> None:
    """An answer's date is of whole seconds, and older the longer the answer took to be read."""
    program = tmp_path / "behind.py"
    program.write_text(CLOCK_BEHIND.format(seconds=1_200))
    began_s = time.monotonic()
    report = report_of(service.environment, program=(sys.executable, program))
    took_s = time.monotonic() - began_s
    assert report.failed == ["credentials"]
    found = re.fullmatch(
        rf"this machine's clock is (\d+) s behind that of {service.url}: a signature holds"
        " for 300 s, set the clock",
        report.found["credentials"],
    )
    assert found is not None
    assert 1_200 - 2 - took_s <= int(found[1]) <= 1_200


def test_guests_that_are_switched_off(tmp_path: Path) -> None:
    """Then whoever logs in reads public channels by their bearer."""
    setup = tmp_path / "setup.json"
    setup.write_text('{"pool":{"unauthenticated_role":null}}')
    with running_service(tmp_path / "service", "--no-demo", "--setup", str(setup)) as service:
        assert check_up(service).code == 0
        public = "--host", "0.0.0.0"
    with running_service(
        tmp_path / "other", "--no-demo", "--setup", str(setup), *public
    ) as service:
        report = check_up(service, BELLWIRE_URL=service.url.replace("0.0.0.0", "127.0.0.1"))
    assert report.failed[0] == "session"
    assert report.found["session"].startswith("guests are switched off here")


def wanted_at(service: RunningService) -> Wanted:
    return Wanted(Target(service.url, service.key))


@pytest.mark.parametrize(
    ("last", "failed", "message"),
    [
        ("config", "session", "cannot reach Cognito at http://"),
        ("credentials", "subscribe", "no answer from ws://"),
        ("subscribe", "publish", "cannot reach http://"),
        ("publish", "received", "the connection ended: DISCONNECT"),
        ("received", "polled", "cannot reach http://"),
        ("polled", "presence", "cannot reach http://"),
        ("presence", "kicked", "cannot reach http://"),
    ],
)
def test_a_service_that_ends_between_steps(
    tmp_path: Path, last: str, failed: str, message: str
) -> None:
    with (
        running_service(tmp_path, "--no-demo", "--faults", "delay=3s") as service,
        closing(Checkup(wanted_at(service))) as checkup,
    ):
        found = {}
        for finding in take(checkup.steps()):
            found[finding.step] = finding
            if finding.step == last:
                service.kill()
        assert all(found[step].is_ok for step in STEPS[: STEPS.index(failed)])
    assert (found[failed].is_ok, found[failed].found[: len(message)]) == (False, message)


def test_presence_that_is_not_there_is_skipped_in_words(service: RunningService) -> None:
    """As a deployment has it whose config names other namespaces."""
    with closing(Checkup(wanted_at(service))) as checkup:
        found = {}
        for finding in take(checkup.steps()):
            found[finding.step] = finding
            if finding.step == "config":
                seen = checkup._service  # noqa: SLF001 - no service here switches presence off
                checkup._service = replace(seen, presence=frozenset({"group"}))  # noqa: SLF001
    assert (found["presence"].is_ok, found["presence"].found) == (
        None,
        "presence is switched off for public/ and user/",
    )
    assert found["kicked"].is_ok is True


def test_doctors_at_the_same_time_do_not_meet(service: RunningService) -> None:
    running = [
        subprocess.Popen(
            [BELLWIRE, "doctor"],
            stdout=subprocess.PIPE,
            text=True,
            env=service.environment,
        )
        for _ in range(3)
    ]
    for process in running:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out
