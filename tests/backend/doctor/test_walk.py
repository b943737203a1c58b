"""The whole table over real connections: a running `bellwire dev`, MQTT, HTTPS and HTTP."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from backend.scripted_http import serving
from bellwire.doctor.asking import Asking
from bellwire.doctor.casting import Given, gather
from bellwire.doctor.findings import Finding, Outcome
from bellwire.doctor.http_questions import QUESTIONS
from bellwire.doctor.scene import Actor, Endpoints, Scene
from bellwire.doctor.truth_table import WITHOUT_KEYS, Action, Row, Who, truth_table
from bellwire.doctor.walk import THREADS, walk
from bellwire.policies import load_policy, load_trust
from bellwire_local.dev.roles import PLACE
from services import RunningService, running_service

TABLE = truth_table()


@pytest.fixture(scope="module")
def findings(service: RunningService) -> list[Finding]:
    scene = gather(service.url, Given(service.key), THREADS)
    return walk(scene, TABLE, lambda _: None)


def test_every_row_is_as_expected(findings: list[Finding]) -> None:
    assert [finding.row for finding in findings] == list(TABLE)
    other = [finding for finding in findings if finding.outcome is not Outcome.AS_EXPECTED]
    assert other == []


def test_refusals_are_refusals_of_policies(findings: list[Finding]) -> None:
    """Whoever has keys is denied for what they may not, not for what was wrong with the asking."""
    said = {
        finding.verdict.said
        for finding in findings
        if finding.row.who not in WITHOUT_KEYS and not finding.row.is_allowed
    }
    odd = re.compile(r"signature we|security token|malformed|not_found|^upgrade", re.IGNORECASE)
    assert [words for words in said if odd.search(words)] == []
    mqtt = {words for words in said if not words.startswith("HTTP")}
    assert mqtt == {
        "CONNACK 0x87 Not authorized",
        "SUBACK 0x87 Not authorized",
        "SUBACK 0x9e Shared subscription not supported",
        "PUBACK 0x87 Not authorized",
        "DISCONNECT 0x90 Topic name invalid",
        "nothing but the marker came",
    }


def test_nothing_is_left_behind(service: RunningService, findings: list[Finding]) -> None:
    """No retained message, and no connection."""
    assert findings
    scene = gather(service.url, Given(service.key), THREADS)
    operator, asking = scene.actors[Who.OPERATOR], Asking(scene.region, 1)
    asked = {
        Action.LIST_RETAINED: "the account",
        Action.GET_CONNECTION: scene.names["alice"],
    }
    kept, connection = (
        json.loads(asking.send(QUESTIONS[what].write(scene, operator, of), operator.keys).body)
        for what, of in asked.items()
    )
    assert kept["retainedTopics"] == []
    assert (connection["clientId"], connection["connected"]) == (scene.names["alice"], False)


def wider(name: str, old: str, new: str) -> dict[str, Any]:
    """Write a role as `--setup` takes it, with one place of its policy altered."""
    text = json.dumps(load_policy(name, PLACE))
    assert old in text
    return {"policy": json.loads(text.replace(old, new)), "trust": load_trust(name, PLACE)}


SUB = "${cognito-identity.amazonaws.com:sub}"
WRONG_ROLES = {
    "member_role": wider("member_role", "GET/v1/signed/updates", "*"),
    "guest_role": wider("guest_role", f"client/{SUB}-*", f"client/{SUB}*"),
    "publisher_role": wider(
        "publisher_role", '"iot:Publish"', '["iot:Publish", "iot:RetainPublish"]'
    ),
    "narrowed_role": wider("narrowed_role", '"Effect": "Deny"', '"Effect": "Allow"'),
    "session_role": wider("session_role", "policy/bellwire.dev.*", "policy/*"),
    "connections_role": wider("connections_role", "client/us-east-1:*", "client/*"),
}
MORE = {
    "signed POST /v1/publish public/doctor": {Who.ALICE, Who.BOB, Who.CAROL},
    "signed POST /v1/publish user/{alice}/doctor": {Who.ALICE, Who.BOB, Who.CAROL},
    "signed POST /v1/publish group/red/doctor": {Who.ALICE, Who.BOB, Who.CAROL},
    "signed POST /v1/users": {Who.ALICE, Who.BOB, Who.CAROL},
    "signed POST /v1/kick": {Who.ALICE, Who.BOB, Who.CAROL},
    "MQTT CONNECT as {guest}x{fresh}": {Who.GUEST},
    "MQTT PUBLISH retained to {stage}/public/doctor": {Who.JOB},
    "MQTT PUBLISH retained to {stage}/user/{alice}/doctor": {Who.JOB},
    "Publish retained to {stage}/public/doctor": {Who.JOB},
    "MQTT CONNECT as {alice}-#{fresh}": {Who.NARROWED},
    "MQTT CONNECT as {alice}-+{fresh}": {Who.NARROWED},
    "MQTT CONNECT as {alice}-/{fresh}": {Who.NARROWED},
    "CreatePolicy named doctor-{fresh}": {Who.SESSION},
    "GetConnection of job-{fresh}": {Who.CONNECTIONS},
    "ListSubscriptions of job-{fresh}": {Who.CONNECTIONS},
    "DeleteConnection of job-{fresh}": {Who.CONNECTIONS},
}
"""What these roles allow beyond the table."""


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that enforces other documents than it should."""
    directory = tmp_path_factory.mktemp("wrong")
    setup = directory / "setup.json"
    setup.write_text(json.dumps({"roles": WRONG_ROLES}))
    with running_service(directory, "--no-demo", "--setup", str(setup)) as running:
        yield running


def test_documents_that_are_too_wide_are_found_out(wrong: RunningService) -> None:
    done = wrong.run("doctor", "--truth-table", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    other = [row for row in found if row["outcome"] not in ("as expected", "mismatch")]
    assert other == []
    mismatches = {
        (row["who"], f"{row['action']} {row['target']}")
        for row in found
        if row["outcome"] == "mismatch"
    }
    assert mismatches == {(who, name) for name, whos in MORE.items() for who in whos}
    assert done.returncode == 1


def test_each_mismatch_is_a_line(wrong: RunningService) -> None:
    done = wrong.run("doctor", "--truth-table")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert (
        "alice: signed POST /v1/publish public/doctor: expected denied, found allowed (HTTP 200)"
        in lines
    )
    assert lines[-1] == f"{len(TABLE) - 26} of {len(TABLE)} rows are as expected"


def test_what_cannot_be_tried_is_not_checked(service: RunningService) -> None:
    scene = gather(service.url, Given(), THREADS)
    whos = (Who.JOB, Who.OPERATOR, Who.CAROL, Who.GUEST)
    rows = [row for row in TABLE if row.who in whos and row.action is not Action.SIGNED_POLL]
    reasons: dict[Who, set[str]] = {}
    for finding in walk(scene, rows, lambda _: None):
        if finding.outcome is not Outcome.AS_EXPECTED:
            assert finding.outcome is Outcome.NOT_CHECKED
            reasons.setdefault(finding.row.who, set()).add(finding.verdict.said)
    assert reasons == {
        Who.JOB: {"no AWS profile was given for job"},
        Who.OPERATOR: {"no AWS profile was given for operator"},
        Who.CAROL: {"nobody can be kicked without an operator"},
        Who.GUEST: {
            "there is no job to publish anything",
            "the roles' ARNs are not known without the keys of one",
        },
    }


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([(502, {}), (200, {})], Outcome.AS_EXPECTED),
        ([(502, {}), (403, {})], Outcome.MISMATCH),
        ([(502, {}), (502, {})], Outcome.FAILED),
    ],
)
def test_what_could_not_be_read_is_asked_a_second_time(
    answers: list[tuple[int, Any]], outcome: Outcome
) -> None:
    left = iter(answers)
    row = Row(Who.ANONYMOUS, Action.POLL, "public/doctor", is_allowed=True)
    tries: list[Finding] = []
    with serving(lambda *_: next(left)) as url:
        scene = Scene("us-east-1", "dev", Endpoints(*[url] * 6), {}, dict.fromkeys(Who, Actor()))
        found = walk(scene, [row], tries.append)
    assert [finding.outcome for finding in found] == [outcome]
    assert (len(tries), next(left, None)) == (len(answers), None)


def test_a_login_that_does_not_fit_the_table_fails(service: RunningService) -> None:
    body = json.dumps({"user": "somebody", "groups": ["blue", "red"]}).encode()
    answer = urllib3.request(
        "POST",
        f"{service.url}/dev/login",
        body=body,
        headers={"content-type": "application/json"},
    )
    given = Given(tokens={"alice": answer.json()["token"], "bob": "no token"})
    scene = gather(service.url, given, THREADS)
    rows = [Row(who, Action.POLL, "public/doctor", is_allowed=True) for who in (Who.ALICE, Who.BOB)]
    alice, bob = walk(scene, rows, lambda _: None)
    assert alice.outcome is bob.outcome is Outcome.FAILED
    assert alice.verdict.said == "alice is of the groups blue, red; the table expects red alone"
    assert bob.verdict.said.startswith("expected a JSON Web Token")
