"""Whoever has no key signs as AWS's SDK does: the library and the command line, at a real gate."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from bellwire import Publisher
from bellwire.aws.own_credentials import Signer, find_signer, region_of
from bellwire.errors import BellwireError, NotAllowed, TooMany, Unauthenticated, Upstream
from bellwire.http_calls import HttpCalls
from bellwire.proofs import KeyProof
from bellwire.publisher import HttpOutlet
from members import open_session
from services import RunningService, running_service

REGION = "us-east-1"


def without_key(service: RunningService, keys: Mapping[str, Any] | None) -> RunningService:
    """The service as a shell has it that knows no key, but whose environment holds AWS keys."""
    environment = {
        **service.environment,
        "HOME": "/nowhere",
        "XDG_RUNTIME_DIR": "/nowhere",
        "AWS_REGION": REGION,
    }
    if keys is not None:
        environment["AWS_ACCESS_KEY_ID"] = keys["access_key_id"]
        environment["AWS_SECRET_ACCESS_KEY"] = keys["secret_access_key"]
        if keys["session_token"] is not None:
            environment["AWS_SESSION_TOKEN"] = keys["session_token"]
    return replace(service, environment=environment)


def signer_at(url: str, keys: Mapping[str, Any], method: str = "test") -> Signer:
    found = Credentials(
        keys["access_key_id"], keys["secret_access_key"], keys["session_token"], method
    )
    return Signer(url, REGION, found)


def assert_one_line(done: "subprocess.CompletedProcess[str]", *parts: str) -> None:
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith("bellwire: ")
    for part in parts:
        assert part in done.stderr


def test_a_job_publishes_by_its_aws_keys(service: RunningService) -> None:
    channel = f"public/{uuid4().hex}"
    job = without_key(service, service.ready["job"])
    assert job.publish(channel, "hällo ☃", "--id", "é".encode().hex())["seq"] == 1
    lines = job.run("publish", channel, "-", stdin="1\n2\n")
    assert [json.loads(line)["seq"] for line in lines.stdout.splitlines()] == [2, 3]
    named = job.run("publish", "--user", "übermut", "inbox", "1")
    assert (named.returncode, named.stderr) == (0, "")


def test_an_operator_kicks_by_their_aws_keys(service: RunningService) -> None:
    operator = without_key(service, service.ready["operator"])
    user = f"user-{uuid4().hex[:8]}"
    service.run("publish", "--user", user, "inbox", "1")
    done = operator.run("kick", user)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{user} (us-east-1:")


def test_a_session_token_is_signed_as_well(service: RunningService) -> None:
    """A member's credentials have one; a member may poll by signature, and nothing else."""
    name = uuid4().hex
    session = open_session(service, f"user-{name}", f"crowd:{name}", credentials=True)
    calls = HttpCalls(service.url, signer_at(service.url, session["credentials"]))
    query = {"channels": f"group/crowd:{name}/a@b,user/me/x-y_z", "rewind": "3"}
    channels = json.loads(calls.get("/v1/signed/updates", query))["channels"]
    assert set(channels) == set(query["channels"].split(","))
    with pytest.raises(NotAllowed, match=r"execute-api:Invoke on .*/\*/POST/v1/publish$"):
        Publisher(HttpOutlet(service.url, signer_at(service.url, session["credentials"]))).event(
            "public/a", 1
        )
    cut = {**session["credentials"], "session_token": "none"}
    with pytest.raises(NotAllowed):
        HttpCalls(service.url, signer_at(service.url, cut)).get("/v1/signed/updates", query)


@pytest.mark.parametrize("words", [("publish", "public/a", "1"), ("kick", "ann")])
def test_wrong_keys_are_one_clear_line(service: RunningService, words: tuple[str, ...]) -> None:
    wrong = {**service.ready["job"], "secret_access_key": "0" * 40}
    done = without_key(service, wrong).run(*words)
    assert_one_line(
        done,
        "the signature does not hold, or IAM does not allow this",
        f"the AWS credentials {wrong['access_key_id']} (env)",
        f"execute-api:Invoke on arn:aws:execute-api:us-east-1:*:*/*/POST/v1/{words[0]}",
    )
    assert wrong["secret_access_key"] not in done.stderr


def test_a_job_may_not_kick(service: RunningService) -> None:
    done = without_key(service, service.ready["job"]).run("kick", "ann")
    assert_one_line(done, "allowed execute-api:Invoke on", "/*/POST/v1/kick")


def test_a_region_that_is_not_the_apis_is_one_clear_line(service: RunningService) -> None:
    job = without_key(service, service.ready["job"])
    elsewhere = replace(job, environment={**job.environment, "AWS_REGION": "eu-west-1"})
    assert_one_line(
        elsewhere.run("publish", "public/a", "1"), "arn:aws:execute-api:eu-west-1:*:*/*/POST"
    )
    nowhere = dict(job.environment)
    del nowhere["AWS_REGION"]
    done = replace(job, environment=nowhere).run("publish", "public/a", "1")
    assert_one_line(done, "expected the AWS region of http://", "set AWS_REGION")
    default = replace(job, environment={**nowhere, "AWS_DEFAULT_REGION": REGION})
    assert default.publish(f"public/{uuid4().hex}", 1)["seq"] == 1


def test_neither_key_nor_keys_names_both_ways(service: RunningService) -> None:
    done = without_key(service, None).run("publish", "public/a", "1")
    assert_one_line(done, "no key for http://", "BELLWIRE_KEY", "AWS_PROFILE")


def test_a_profile_that_is_none_is_one_clear_line(service: RunningService) -> None:
    shell = without_key(service, None)
    shell = replace(shell, environment={**shell.environment, "AWS_PROFILE": "nobodys"})
    assert_one_line(
        shell.run("publish", "public/a", "1"), "the AWS credentials do not work", "nobodys"
    )


def test_a_profile_signs(service: RunningService, tmp_path: Path) -> None:
    job, config = service.ready["job"], tmp_path / "config"
    config.write_text(
        f"[profile mine]\nregion = {REGION}\naws_access_key_id = {job['access_key_id']}\n"
        f"aws_secret_access_key = {job['secret_access_key']}\n"
    )
    shell = without_key(service, None)
    more = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "mine"}
    shell = replace(shell, environment={**shell.environment, **more})
    assert shell.publish(f"public/{uuid4().hex}", 1)["seq"] == 1


def test_a_key_comes_before_keys(service: RunningService) -> None:
    wrong = {**service.ready["job"], "secret_access_key": "0" * 40}
    shell = without_key(service, wrong)
    shell = replace(shell, environment={**shell.environment, "BELLWIRE_KEY": service.key})
    assert shell.publish(f"public/{uuid4().hex}", 1)["seq"] == 1


CLOCK_AHEAD = """
import sys, time
real, real_ns = time.time, time.time_ns
time.time = lambda: real() + {seconds}
time.time_ns = lambda: real_ns() + {seconds} * 10**9
from bellwire.cli import main
sys.exit(main())
"""


@contextmanager
def service_whose_clock_is_ahead(directory: Path, seconds: int) -> Iterator[RunningService]:
    program = directory / "ahead.py"
    program.write_text(CLOCK_AHEAD.format(seconds=seconds))
    with running_service(directory, "--no-demo", program=(sys.executable, program)) as running:
        yield running


@pytest.mark.parametrize(("seconds", "way"), [(3600, "behind"), (-3600, "ahead of")])
def test_a_wrong_clock_is_named(tmp_path: Path, seconds: int, way: str) -> None:
    with service_whose_clock_is_ahead(tmp_path, seconds) as service:
        done = without_key(service, service.ready["job"]).run("publish", "public/a", "1")
    assert_one_line(done, f" s {way} that of http://", "a signature holds for 300 s, set the clock")
    assert "this machine's clock is 3" in done.stderr


@dataclass
class Answers:
    """Answers of a service, one a request, and the requests that it got."""

    statuses: list[int]
    body: bytes = b"{}"
    heard: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def answering(answers: Answers) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answers.heard.append({name.lower(): value for name, value in self.headers.items()})
            status = answers.statuses[min(len(answers.heard), len(answers.statuses)) - 1]
            self.send_response(status)
            self.send_header("content-length", str(len(answers.body)))
            for name, value in answers.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answers.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_each_try_is_signed_anew() -> None:
    """By what the credentials are then: they may have been renewed while it waited."""
    given = iter(("AKIAFIRST", "AKIASECOND", "AKIATHIRD"))

    class Renewed(RefreshableCredentials):
        def __init__(self) -> None:
            """Hold nothing: each question is answered by new ones."""
            self.method = "test"

        def get_frozen_credentials(self) -> Any:
            return Credentials(next(given), "secret", None).get_frozen_credentials()

    answers = Answers([503, 429, 200])
    with answering(answers) as url:
        assert HttpCalls(url, Signer(url, REGION, Renewed())).post("/v1/kick", b"{}") == b"{}"
    keys = [one["authorization"].partition("Credential=")[2][:11] for one in answers.heard]
    assert keys == ["AKIAFIRST/2", "AKIASECOND/", "AKIATHIRD/2"]


def test_it_is_tried_five_times_and_then_told() -> None:
    answers = Answers([503], b'{"message":"Service Unavailable"}')
    with answering(answers) as url, pytest.raises(Upstream, match="HTTP 503"):
        HttpCalls(url, KeyProof("key")).post("/v1/publish", b"{}")
    assert len(answers.heard) == 5


def test_a_signature_goes_to_nobody_else() -> None:
    elsewhere = Answers([200])
    keys = {"access_key_id": "AKIA", "secret_access_key": "s", "session_token": "token"}
    with answering(elsewhere) as other:
        answers = Answers([307], headers={"location": f"{other}/v1/publish"})
        with answering(answers) as url, pytest.raises(Upstream, match="HTTP 307"):
            HttpCalls(url, signer_at(url, keys)).post("/v1/publish", b"{}")
    assert (len(answers.heard), elsewhere.heard) == (1, [])


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (403, b'{"message":"Forbidden"}', NotAllowed, "HTTP 403 Forbidden: the AWS credentials AK"),
        (401, b'{"message":"Unauthorized"}', Unauthenticated, "HTTP 401 Unauthorized: the AWS"),
        (429, b'{"message":"Too Many Requests"}', TooMany, "HTTP 429 Too Many Requests"),
        (500, b'{"message":"Internal Server Error"}', Upstream, "HTTP 500"),
        (403, b"<html>", Upstream, "HTTP 403: '<html>'"),
    ],
)
def test_what_api_gateway_says_itself(
    status: int, body: bytes, error: type[BellwireError], message: str
) -> None:
    keys = {"access_key_id": "AKIA", "secret_access_key": "s", "session_token": None}
    with answering(Answers([status], body)) as url, pytest.raises(error) as raised:
        HttpCalls(url, signer_at(url, keys)).post("/v1/publish", b"{}")
    assert type(raised.value) is error
    assert raised.value.message.removeprefix("the service answered ").startswith(message)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://abc123.execute-api.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://abc123.execute-api.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("https://execute-api.eu-west-1.amazonaws.com", None),
        ("https://abc.execute-api.eu-west-1.amazonaws.com.example", None),
        ("https://push.example.org", None),
        ("http://127.0.0.1:8080", None),
    ],
)
def test_the_host_of_an_api_names_its_region(url: str, region: str | None) -> None:
    assert region_of(url) == region


def test_a_refusal_names_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    signer = find_signer("https://abc123.execute-api.eu-west-1.amazonaws.com")
    assert signer is not None
    assert signer.explain_refusal("POST", "/v1/publish") == (
        "the AWS credentials AKIA (env) should be of somebody who is allowed execute-api:Invoke on"
        " arn:aws:execute-api:eu-west-1:*:abc123/*/POST/v1/publish"
    )


IMPORTED = """
import sys
import bellwire
heavy = {"boto3", "botocore"}
assert not heavy & set(sys.modules), "import bellwire"
bellwire.Publisher.from_env().event("public/light", 1)
assert not heavy & set(sys.modules), "publishing with a key"
"""


def test_with_a_key_no_sdk_is_imported(service: RunningService) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, env=service.environment
    )
    assert (done.returncode, done.stderr) == (0, "")
