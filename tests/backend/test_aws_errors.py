"""Every error that AWS declares for what is called there, and what it becomes."""

from collections.abc import Callable
from itertools import count
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from bellwire.aws.cognito import CognitoIdentities
from bellwire.aws.dynamodb_directory import DynamoDbDirectory
from bellwire.aws.iot_connections import IotConnections
from bellwire.aws.iot_grants import IotGrants
from bellwire.aws.sts import RoleElsewhere, StsNarrowing
from bellwire.errors import (
    BellwireError,
    NotAllowed,
    TooLarge,
    TooMany,
    Unauthenticated,
    Upstream,
)
from bellwire.grants import Grant
from bellwire.identity_ports import Person, Vouched

ALICE = "us-east-1:00000000-0000-4000-8000-00000000000a"
ROLE = "arn:aws:iam::000000000000:role/x"
GRANT = Grant("bellwire.dev.member.x", {})
VOUCHED = Vouched(ALICE, "token", 0)

Use = Callable[[Any], object]


def cognito(client: Any) -> CognitoIdentities:
    return CognitoIdentities(
        client, "us-east-1:pool", developer_provider="login.example", now_s=lambda: 0
    )


def grants(client: Any) -> IotGrants:
    """Grants whose clock goes on by a second whenever they look."""
    clock = count()
    return IotGrants(
        client, monotonic_s=lambda: next(clock), wait_s=lambda _: None, random=lambda: 0.99
    )


USES: dict[str, tuple[str, str, Use]] = {
    "new_guest": ("cognito-identity", "GetId", lambda c: cognito(c).new_guest()),
    "identity_of_login": (
        "cognito-identity",
        "GetId",
        lambda c: cognito(c).identity_of_login("accounts.google.com", "token"),
    ),
    "credentials_for_guest": (
        "cognito-identity",
        "GetCredentialsForIdentity",
        lambda c: cognito(c).credentials_for_guest(ALICE),
    ),
    "credentials_for_member": (
        "cognito-identity",
        "GetCredentialsForIdentity",
        lambda c: cognito(c).credentials_for_member(VOUCHED),
    ),
    "vouch_for": (
        "cognito-identity",
        "GetOpenIdTokenForDeveloperIdentity",
        lambda c: cognito(c).vouch_for("alice", lifetime_s=900),
    ),
    "narrowed": (
        "sts",
        "AssumeRole",
        lambda c: StsNarrowing(c, ROLE).narrowed("{}", session_name="bellwire-1", lifetime_s=900),
    ),
    "elsewhere": (
        "sts",
        "AssumeRoleWithWebIdentity",
        lambda c: RoleElsewhere(c, ROLE).credentials(VOUCHED),
    ),
    "attach": ("iot", "AttachPolicy", lambda c: grants(c).attach(ALICE, GRANT)),
    "detach": ("iot", "DetachPolicy", lambda c: grants(c).detach(ALICE, GRANT.name)),
    "find": ("iot-data", "GetConnection", lambda c: IotConnections(c).find(ALICE)),
    "end": ("iot-data", "DeleteConnection", lambda c: IotConnections(c).end(ALICE)),
    "find a person": (
        "dynamodb",
        "GetItem",
        lambda c: DynamoDbDirectory(c, "people").find(ALICE),
    ),
    "find an identity": (
        "dynamodb",
        "GetItem",
        lambda c: DynamoDbDirectory(c, "people").find_identity("alice"),
    ),
    "save": (
        "dynamodb",
        "TransactWriteItems",
        lambda c: DynamoDbDirectory(c, "people").save(Person(ALICE, "alice")),
    ),
}
"""What the adapters do with a client, by service and operation."""

REFUSED = ("InvalidParameterException", "NotAuthorizedException", "ResourceConflictException")
MEANT = {
    **{("new_guest", code): NotAllowed for code in (*REFUSED, "ResourceNotFoundException")},
    **{
        (use, code): kind
        for use, kind in (
            ("identity_of_login", Unauthenticated),
            ("credentials_for_guest", NotAllowed),
            ("credentials_for_member", Unauthenticated),
        )
        for code in (*REFUSED, "ResourceNotFoundException")
    },
    **{
        (use, "TooManyRequestsException"): TooMany
        for use, (service, _, _) in USES.items()
        if service == "cognito-identity"
    },
    ("narrowed", "PackedPolicyTooLarge"): TooLarge,
    ("elsewhere", "IDPRejectedClaim"): Unauthenticated,
    ("elsewhere", "InvalidIdentityToken"): Unauthenticated,
    ("elsewhere", "ExpiredTokenException"): Unauthenticated,
    ("attach", "ThrottlingException"): TooMany,
    ("detach", "ThrottlingException"): TooMany,
    ("attach", "LimitExceededException"): TooLarge,
    ("detach", "LimitExceededException"): TooLarge,
}
"""What is not `Upstream`."""

ANSWERS: dict[tuple[str, str], object] = {
    ("find", "ResourceNotFoundException"): None,
    ("end", "ResourceNotFoundException"): False,
}
"""What is no error at all."""

FURTHER = {"sts": ("Throttling", "ThrottlingException")}
"""Common errors, which no operation declares."""


def declared(service: str, operation: str) -> list[str]:
    """Name the errors of an operation as they come over the wire."""
    model = botocore.session.get_session().get_service_model(service)
    shapes = model.operation_model(operation).error_shapes
    codes = [shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes]
    return [*codes, *FURTHER.get(service, ()), "AccessDeniedException", "SomethingNew"]


ROWS = [
    (use, code)
    for use, (service, operation, _) in USES.items()
    for code in declared(service, operation)
    if (use, code) != ("attach", "ResourceNotFoundException")  # then it is made
]


def make_client(service: str, **more: Any) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # one line for every service
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        **more,
    )


@pytest.mark.parametrize(("use", "code"), ROWS)
def test_every_error_that_aws_declares_is_one_of_ours(use: str, code: str) -> None:
    service, operation, perform = USES[use]
    client = make_client(service)
    expected = MEANT.get((use, code), Upstream)
    if service == "sts" and code in FURTHER["sts"]:
        expected = TooMany
    more: Any = {}
    if code == "TransactionCanceledException":
        more = {"modeled_fields": {"CancellationReasons": [{"Code": "None"}]}}
    with Stubber(client) as stub:
        for _ in range(4):  # those who try again see it again
            stub.add_client_error(_method_of(client, operation), code, **more)
        if (use, code) in ANSWERS:
            assert perform(client) is ANSWERS[use, code]
            return
        with pytest.raises(BellwireError) as raised:
            perform(client)
    assert type(raised.value) is expected


def _method_of(client: Any, operation: str) -> str:
    methods: dict[str, str] = client.meta.method_to_api_mapping
    return next(name for name, api in methods.items() if api == operation)


@pytest.mark.parametrize("use", USES)
def test_a_service_that_is_not_there_is_upstream(use: str) -> None:
    service, _, perform = USES[use]
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    client = make_client(service, endpoint_url="http://127.0.0.1:9", config=config)
    with pytest.raises(Upstream, match="could not be reached"):
        perform(client)


@pytest.mark.parametrize("use", USES)
def test_without_credentials_of_our_own_it_is_upstream(
    use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for what nobody signs."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    service, _, perform = USES[use]
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    client: Any = boto3.Session().client(
        service,  # type: ignore[call-overload]  # one line for every service
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        config=config,
    )
    with pytest.raises(Upstream):
        perform(client)


@pytest.mark.parametrize(
    ("reasons", "is_beaten"),
    [
        (["ConditionalCheckFailed", "None"], True),
        (["None", "TransactionConflict"], True),
        (["ConditionalCheckFailed", "TransactionConflict"], True),
        (["ProvisionedThroughputExceeded", "None"], False),
        (["ValidationError", "None"], False),
        (["None", "None"], False),
    ],
)
def test_a_save_is_beaten_only_by_another_save(
    reasons: list[str],
    is_beaten: bool,  # noqa: FBT001 - a row
) -> None:
    client = make_client("dynamodb")
    directory = DynamoDbDirectory(client, "people")
    with Stubber(client) as stub:
        stub.add_client_error(
            "transact_write_items",
            "TransactionCanceledException",
            modeled_fields={"CancellationReasons": [{"Code": reason} for reason in reasons]},
        )
        if is_beaten:
            assert directory.save(Person(ALICE, "alice")) is False
            return
        with pytest.raises(Upstream, match="TransactionCanceledException"):
            directory.save(Person(ALICE, "alice"))
