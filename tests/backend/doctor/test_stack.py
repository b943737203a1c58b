"""`bellwire doctor --stack NAME`: by the stack's outputs, its roles and its queues."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_account import REGION, Account, running_account
from backend.doctor.checkups import STEPS, Report, report_of
from backend.test_proofs import without_key
from bellwire import Publisher
from bellwire.doctor.deployed import NEEDED, WORKING, read_outputs
from bellwire.errors import Malformed, Upstream
from bellwire.publisher import HttpOutlet
from services import RunningService, running_service

ROLE = "arn:aws:iam::000000000000:role/"
ALL_STEPS = (
    "stack",
    *STEPS[: STEPS.index("presence")],
    "jobs",
    *STEPS[STEPS.index("presence") :],
    "dead letters",
)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service, and an administrator who may assume its roles but neither publish nor kick."""
    directory = tmp_path_factory.mktemp("deployment")
    setup = directory / "setup.json"
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    admin = {"policy": {"Version": "2012-10-17", "Statement": [assume]}}
    setup.write_text(json.dumps({"roles": {"admin": admin}}))
    with running_service(directory, "--no-demo", "--setup", str(setup)) as running:
        yield running


@pytest.fixture
def account(deployment: RunningService) -> Iterator[Account]:
    with running_account() as running:
        queue_urls = {
            name: running.sqs.create_queue(QueueName=name)["QueueUrl"]
            for name in ("jobs", "dead-letters")
        }
        running.outputs = {
            "ApiUrl": deployment.url,
            "Stage": "dev",
            "Region": REGION,
            "IdentityPoolId": deployment.ready["identity_pool_id"],
            "JobsQueueUrl": queue_urls["jobs"],
            "DeadLettersQueueUrl": queue_urls["dead-letters"],
            "RedriveFunctionName": "push-dev-redrive",
            "PublisherRoleArn": f"{ROLE}publisher_role",
            "OperatorRoleArn": f"{ROLE}operator_role",
        }
        yield running


@contextmanager
def jobs_function(service: RunningService, account: Account) -> Iterator[None]:
    """Do the jobs of the queue, as the function of the stack would."""
    ended = threading.Event()
    publisher = Publisher(HttpOutlet(service.url, service.key))
    where = {"QueueUrl": account.outputs["JobsQueueUrl"]}

    def work() -> None:
        while not ended.is_set():
            for job in account.sqs.receive_message(**where).get("Messages", []):
                publisher.publish([json.loads(job["Body"])])
                account.sqs.delete_message(**where, ReceiptHandle=job["ReceiptHandle"])
            ended.wait(0.1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def check_stack(
    service: RunningService, account: Account, *words: str, role: str = "admin", **more: str
) -> Report:
    """Ask as somebody whose SDK finds AWS at the account's port; the stand-in is its STS."""
    shell = without_key(service, service.ready["credentials"][role])
    found = {
        **shell.environment,
        "AWS_ENDPOINT_URL": account.url,
        "AWS_ENDPOINT_URL_STS": service.ready["aws"],
        "BELLWIRE_URL": "http://127.0.0.1:9",
        **more,
    }
    return report_of(found, "--stack", "push", *words)


def test_everything_is_well(deployment: RunningService, account: Account) -> None:
    with jobs_function(deployment, account):
        report = check_stack(deployment, account)
    assert (report.code, tuple(report.steps)) == (0, ALL_STEPS)
    assert (report.failed, report.skipped) == ([], [])
    assert report.found["stack"] == f"push is in CREATE_COMPLETE, {deployment.url}"
    assert report.found["publish"].endswith(", as publisher_role")
    assert report.found["jobs"].startswith("public/doctor ")
    assert report.found["jobs"].endswith(" s after it was sent")
    assert report.found["dead letters"] == "none"


def test_the_services_own_endpoint_goes_first(deployment: RunningService, account: Account) -> None:
    report = check_stack(
        deployment,
        account,
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_ENDPOINT_URL_CLOUDFORMATION=account.url,
    )
    assert report.is_ok["stack"] is True
    assert report.found["dead letters"].startswith("sqs:GetQueueAttributes on https://")


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        ("CREATE_IN_PROGRESS", "", "the stack push is in CREATE_IN_PROGRESS: wait until"),
        (
            "ROLLBACK_COMPLETE",
            "no quota",
            "the stack push is in ROLLBACK_COMPLETE (no quota): its events say what failed",
        ),
    ],
)
def test_a_stack_that_is_not_ready(
    deployment: RunningService, account: Account, status: str, reason: str, message: str
) -> None:
    account.status, account.reason = status, reason
    report = check_stack(deployment, account)
    assert (report.code, report.steps, report.failed) == (1, ["stack"], ["stack"])
    assert report.found["stack"].startswith(message)


def test_outputs_that_are_missing(deployment: RunningService, account: Account) -> None:
    del account.outputs["ApiUrl"]
    account.outputs["JobsQueueUrl"] = ""
    report = check_stack(deployment, account)
    assert report.steps == ["stack"]
    assert report.found["stack"] == (
        "the stack push has no output ApiUrl, JobsQueueUrl: is it one of Bellwire's?"
    )


def test_a_stack_that_is_not_there(deployment: RunningService, account: Account) -> None:
    report = check_stack(deployment, account, "--stack", "other")
    assert (report.code, report.steps) == (1, ["stack"])
    assert report.found["stack"].startswith("no stack 'other' in us-east-1: is it another region's")


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "Throttling"])
def test_a_stack_that_may_not_be_seen(
    deployment: RunningService, account: Account, code: str
) -> None:
    account.refusal = (code, "no & no")
    report = check_stack(deployment, account)
    assert (report.code, report.steps) == (1, ["stack"])
    assert report.found["stack"] == (
        f"cloudformation:DescribeStacks on the stack push in us-east-1: {code}: no & no"
    )


def test_without_credentials_or_region(deployment: RunningService, account: Account) -> None:
    shell = without_key(deployment, None).environment
    shell["AWS_ENDPOINT_URL"] = account.url
    report = report_of(shell, "--stack", "push")
    assert report.found["stack"].startswith(
        "cloudformation:DescribeStacks takes AWS credentials, and there are none: set AWS_PROFILE"
    )
    del shell["AWS_REGION"]
    report = report_of(shell, "--stack", "push")
    assert report.found["stack"] == "no AWS region is known: set AWS_REGION"
    report = report_of({**shell, "AWS_PROFILE": "nobodys"}, "--stack", "push")
    assert report.found["stack"].startswith("the AWS credentials do not work")


def test_a_stack_of_another_service(deployment: RunningService, account: Account) -> None:
    account.outputs["Stage"] = "prod"
    report = check_stack(deployment, account)
    assert report.failed[0] == "config"
    assert report.found["config"] == (
        f"the stack's output Stage is 'prod', and the service at {deployment.url} says 'dev': is it"
        " another deployment's?"
    )
    assert report.is_ok["dead letters"] is True


def test_a_role_that_may_not_be_assumed(deployment: RunningService, account: Account) -> None:
    """Then the SDK's own credentials are tried, and it is said why."""
    account.outputs["OperatorRoleArn"] = f"{ROLE}session_role"
    with jobs_function(deployment, account):
        report = check_stack(deployment, account, role="publisher_role")
    assert report.failed == ["kicked"]
    assert ", by the SDK's own credentials, since sts:AssumeRole on " in report.found["publish"]
    assert "AccessDenied" in report.found["publish"]
    assert "/*/POST/v1/kick (tried by the SDK's own credentials" in report.found["kicked"]


def test_without_roles_the_own_credentials_publish(
    deployment: RunningService, account: Account
) -> None:
    del account.outputs["PublisherRoleArn"], account.outputs["OperatorRoleArn"]
    with jobs_function(deployment, account):
        report = check_stack(deployment, account, role="publisher_role")
    assert report.failed == ["kicked"]
    assert report.found["publish"].endswith(", by the SDK's credentials")


def test_a_job_that_nobody_does(deployment: RunningService, account: Account) -> None:
    account.sqs.send_message(QueueUrl=account.outputs["DeadLettersQueueUrl"], MessageBody="{}")
    report = check_stack(deployment, account)
    assert report.failed == ["jobs", "dead letters"]
    assert report.found["jobs"].startswith("the job ")
    assert report.found["jobs"].endswith(
        "is not polled within 30 s: is the queue's event source enabled? Look at the log group"
        " /aws/lambda/push-dev-jobs, and at the dead letters"
    )
    assert report.found["dead letters"] == (
        f"1 letter waits in {account.outputs['DeadLettersQueueUrl']}: each says what failed; when"
        " that is mended, invoke the function push-dev-redrive"
    )


def test_a_queue_that_is_not_there(deployment: RunningService, account: Account) -> None:
    account.outputs["JobsQueueUrl"] += "-gone"
    account.outputs["DeadLettersQueueUrl"] += "-gone"
    report = check_stack(deployment, account)
    assert report.failed == ["jobs", "dead letters"]
    assert report.found["jobs"].startswith("sqs:SendMessage on https://")
    assert "QueueDoesNotExist: " in report.found["jobs"]


def test_what_is_not_pushed_points_at_the_doorbells(tmp_path: Path, account: Account) -> None:
    with running_service(tmp_path, "--no-demo", "--faults", "drop=1") as service:
        pool_id = service.ready["identity_pool_id"]
        account.outputs |= {"ApiUrl": service.url, "IdentityPoolId": pool_id}
        with jobs_function(service, account):
            report = check_stack(service, account, role="publisher_role")
    assert report.failed == ["received", "kicked"]
    assert report.found["received"] == (
        "nothing came within 10 s: is the function doorbells failing, or its role without"
        " iot:Publish on arn:aws:iot:us-east-1:*:topic/dev/public/doctor? Look at the log group"
        " /aws/lambda/push-dev-doorbells, and at the dead letters. If it is not, is iot:Receive on"
        " arn:aws:iot:us-east-1:*:topic/dev/public/doctor allowed?"
    )
    assert report.is_ok["polled"] is True
    assert report.is_ok["jobs"] is True


def outputs(**more: str) -> dict[str, str]:
    return {**{key: f"of {key}" for key in NEEDED}, **more}


def test_the_log_groups_are_named_after_the_redrive_function() -> None:
    named = read_outputs("push", "CREATE_COMPLETE", "", outputs(RedriveFunctionName="a-redrive"))
    assert named.log_group("doorbells") == "/aws/lambda/a-doorbells"
    other = read_outputs("push", "CREATE_COMPLETE", "", outputs(RedriveFunctionName="x"))
    assert other.log_group("doorbells") == "of the function doorbells"


@given(
    st.sampled_from([*WORKING, "DELETE_COMPLETE", "REVIEW_IN_PROGRESS"]) | st.text(),
    st.dictionaries(st.sampled_from([*NEEDED, "Others"]), st.text()),
)
def test_whatever_the_outputs_are(status: str, found: dict[str, str]) -> None:
    is_whole = all(found.get(key) for key in NEEDED)
    with nullcontext() if status in WORKING and is_whole else pytest.raises((Malformed, Upstream)):
        deployed = read_outputs("push", status, "", found)
        assert deployed.stage == found["Stage"]
