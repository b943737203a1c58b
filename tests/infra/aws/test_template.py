"""The template is what its program writes, and holds what iot_policies/ says."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from bellwire.policies import load_policy, load_trust
from bellwire_stack.__main__ import HEADER
from bellwire_stack.template import template
from bellwire_stack.yaml_text import to_yaml
from infra.aws.template_file import PLACE, TEMPLATE, filled_in, read_template, resources
from rehearsal.cloud import LIFECYCLE

ROLES = {
    "GuestRole": "guest_role",
    "MemberRole": "member_role",
    "NarrowedRole": "narrowed_role",
    "PublisherRole": "publisher_role",
    "OperatorRole": "operator_role",
}


def documents(role: str) -> list[Any]:
    return [one["PolicyDocument"] for one in resources("AWS::IAM::Role")[role]["Policies"]]


def statements(role: str) -> list[Any]:
    return [one for document in documents(role) for one in document["Statement"]]


def test_the_committed_template_is_what_the_program_writes() -> None:
    assert TEMPLATE.read_text() == HEADER + to_yaml(template())


def test_the_program_writes_to_standard_output() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bellwire_stack"],
        env={**os.environ, "PYTHONPATH": str(TEMPLATE.parent)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", TEMPLATE.read_text())


@pytest.mark.parametrize(("role", "name"), ROLES.items())
def test_what_is_deployed_is_what_is_rendered(role: str, name: str) -> None:
    properties = resources("AWS::IAM::Role")[role]
    assert filled_in(documents(role)) == [load_policy(name, PLACE)]
    assert filled_in(properties["AssumeRolePolicyDocument"]) == load_trust(name, PLACE)
    assert filled_in(properties["RoleName"]) == f"wire-{name}"


@pytest.mark.parametrize(
    ("role", "name", "sids"),
    [
        ("SessionRole", "session_role", None),
        ("PeopleRole", "connections_role", {"EndConnections", "TakeAway"}),
        ("PeopleRole", "session_role", {"VouchForUsers"}),
        ("LifecycleRole", "connections_role", {"EndConnections"}),
        ("HealRole", "connections_role", {"SeeConnections"}),
        ("DoorbellsRole", "publisher_role", {"PublishUnderTheStage"}),
    ],
)
def test_a_functions_rights_on_iot_are_those_of_a_document(
    role: str, name: str, sids: set[str] | None
) -> None:
    rendered = load_policy(name, PLACE)["Statement"]
    wanted = [one for one in rendered if sids is None or one["Sid"] in sids]
    assert wanted
    found = filled_in(statements(role))
    assert [one for one in wanted if one not in found] == []


def test_no_statement_about_iot_or_identities_is_written_by_hand() -> None:
    """Those of a function's own are about its tables, queues, streams and secrets."""
    names = [*ROLES.values(), "session_role", "connections_role"]
    rendered = [one for name in names for one in load_policy(name, PLACE)["Statement"]]
    foreign = ("iot:", "cognito-identity:", "sts:", "execute-api:")
    for role in resources("AWS::IAM::Role"):
        for one in filled_in(_flattened(statements(role))):
            actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
            if any(action.startswith(foreign) for action in actions):
                is_endpoint = actions == ["iot:DescribeEndpoint"]
                assert is_endpoint or one in rendered, (role, one)


def _flattened(found: list[Any]) -> list[Any]:
    """Take what stands behind a condition as if it held."""
    return [one["!If"][1] if "!If" in one else one for one in found]


def test_no_action_is_a_wildcard() -> None:
    for role in resources("AWS::IAM::Role"):
        for one in _flattened(statements(role)):
            assert "*" not in json.dumps(one["Action"]), (role, one)


def test_no_route_is_for_developers() -> None:
    keys = [route["RouteKey"] for route in resources("AWS::ApiGatewayV2::Route").values()]
    assert len(keys) == 10
    for key in keys:
        assert re.fullmatch(r"\$default|(GET|POST) /v1/[a-z/]+", key), key


def test_who_publishes_or_kicks_has_to_sign() -> None:
    signed = {
        route["RouteKey"]
        for route in resources("AWS::ApiGatewayV2::Route").values()
        if route["AuthorizationType"] == "AWS_IAM"
    }
    assert signed == {
        "GET /v1/signed/updates",
        "POST /v1/publish",
        "POST /v1/users",
        "POST /v1/kick",
    }


def test_what_is_called_asynchronously_keeps_what_fails() -> None:
    functions = resources("AWS::Serverless::Function")
    kept = {name for name, one in functions.items() if "EventInvokeConfig" in one}
    assert kept == {"EventsFunction", "InvokeFunction", "LifecycleFunction", "HealFunction"}
    assert functions["HealFunction"]["EventInvokeConfig"]["MaximumRetryAttempts"] == 0
    for name in kept - {"HealFunction"}:
        config = functions[name]["EventInvokeConfig"]
        assert config["DestinationConfig"]["OnFailure"]["Destination"] == {
            "!GetAtt": "DeadLettersQueue.Arn"
        }


def test_what_fails_may_be_sent_where_it_is_kept() -> None:
    """Lambda sends to a destination by the function's own role."""
    for name, function in resources("AWS::Serverless::Function").items():
        events = function.get("Events", {}).values()
        configs = [function.get("EventInvokeConfig", {}), *(one["Properties"] for one in events)]
        if any("DestinationConfig" in config for config in configs):
            held = _flattened(statements(function["Role"]["!GetAtt"].removesuffix(".Arn")))
            assert {
                "Sid": "SendDeadLetters",
                "Effect": "Allow",
                "Action": ["sqs:SendMessage"],
                "Resource": {"!GetAtt": "DeadLettersQueue.Arn"},
            } in held, name


def test_every_queue_ends_somewhere() -> None:
    queues = resources("AWS::SQS::Queue")
    last = {"DeadLettersQueue", "JobsDeadLettersQueue", "JobsFifoDeadLettersQueue"}
    assert {name for name, one in queues.items() if "RedrivePolicy" not in one} == last
    for name in last:
        assert queues[name]["MessageRetentionPeriod"] == 14 * 86_400
        assert f"{name}Alarm" in read_template()["Resources"]


def test_a_queue_waits_six_times_as_long_as_its_reader_may_take() -> None:
    functions, queues = resources("AWS::Serverless::Function"), resources("AWS::SQS::Queue")
    read = 0
    for function in functions.values():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = event["Properties"]["Queue"]["!GetAtt"].removesuffix(".Arn")
                assert queues[queue]["VisibilityTimeout"] >= 6 * function["Timeout"]
                read += 1
    assert read == 3


def test_every_function_is_watched() -> None:
    everything = read_template()["Resources"]
    for name in resources("AWS::Serverless::Function"):
        title = name.removesuffix("Function")
        for what in ("Errors", "Throttles", "Duration"):
            assert f"{title}{what}Alarm" in everything
    for title, minutes in (("People", 1), ("Redrive", 1), ("Poll", 2), ("Jobs", 2)):
        alarm = everything[f"{title}ErrorsAlarm"]["Properties"]
        assert alarm["DatapointsToAlarm"] == minutes


def test_secrets_are_in_no_environment() -> None:
    whole = read_template()
    functions = resources("AWS::Serverless::Function").values()
    own = [function.get("Environment", {}) for function in functions]
    text = json.dumps([whole["Globals"]["Function"]["Environment"], *own])
    assert "LoginSecretValue" not in text
    assert whole["Parameters"]["LoginSecretValue"]["NoEcho"] is True


def test_a_new_library_publishes_new_versions_for_the_alias() -> None:
    """SAM takes a version for the same while a function's own package is: ours never changes."""
    (layer,) = resources("AWS::Serverless::LayerVersion").values()
    assert layer["PublishLambdaVersion"] is True
    functions = resources("AWS::Serverless::Function")
    aliased = {name for name, one in functions.items() if "AutoPublishAlias" in one}
    assert aliased == {"PollFunction", "SessionFunction"}
    for name in aliased:
        assert functions[name]["AutoPublishAliasAllProperties"] is True


def test_pages_of_other_origins_may_send_and_read_what_the_client_does() -> None:
    """The emulator of the rehearsal answers no preflight. Source: browser_client/src/io."""
    (api,) = resources("AWS::ApiGatewayV2::Api").values()
    cors = api["CorsConfiguration"]
    assert cors["AllowOrigins"] == {"!Ref": "AllowedOrigins"}
    assert set(cors["AllowMethods"]) == {"GET", "POST"}
    assert {"authorization", "content-type"} <= set(cors["AllowHeaders"])
    assert {"bellwire-poll-after-ms", "date", "retry-after"} <= set(cors["ExposeHeaders"])


def test_the_rule_tells_the_function_of_all_that_the_rehearsal_does() -> None:
    """The rehearsal has the stand-in call the function; AWS IoT reads the rule's own text."""
    (rule,) = resources("AWS::IoT::TopicRule").values()
    told = rule["TopicRulePayload"]
    assert told["Sql"] == f"SELECT * FROM '{LIFECYCLE}'"
    assert told["Actions"] == [{"Lambda": {"FunctionArn": {"!GetAtt": "LifecycleFunction.Arn"}}}]
    failed = told["ErrorAction"]["Sqs"]
    assert failed["QueueUrl"] == {"!Ref": "DeadLettersQueue"}
    (sends,) = statements(failed["RoleArn"]["!GetAtt"].removesuffix(".Arn"))
    assert (sends["Action"], sends["Resource"]) == (
        ["sqs:SendMessage"],
        {"!GetAtt": "DeadLettersQueue.Arn"},
    )


def test_the_roles_that_are_not_rehearsed_grant_what_their_code_calls() -> None:
    """That of changes, and heal's: an append, a dead letter, presence; the rest is Lambda's own."""
    lambdas = {"logs:CreateLogStream", "logs:PutLogEvents"}
    append = {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"}
    reading = {"DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"}
    kinesis = reading | {"DescribeStreamSummary", "ListShards"}
    streams = {f"dynamodb:{one}" for one in reading} | {f"kinesis:{one}" for one in kinesis}
    assert _actions("ChangesRole") == lambdas | append | streams | {
        "sqs:SendMessage",
        "iot:Publish",  # with `inline` alone
    }
    presence = {"dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"}
    assert _actions("HealRole") == lambdas | presence | {
        "iot:GetConnection",
        "iot:ListSubscriptions",
    }


def test_pushing_is_granted_to_publishers_only_where_they_push() -> None:
    for role in ("PublishRole", "JobsRole", "EventsRole", "ChangesRole", "InvokeRole"):
        conditional = [one["!If"] for one in statements(role) if "!If" in one]
        assert [(name, one["Action"]) for name, one, _ in conditional] == [
            ("IsInline", "iot:Publish")
        ]
        plain = [one for one in statements(role) if "!If" not in one]
        assert "iot:Publish" not in json.dumps(plain)


def _actions(role: str) -> set[str]:
    found: set[str] = set()
    for one in _flattened(statements(role)):
        found |= {one["Action"]} if isinstance(one["Action"], str) else set(one["Action"])
    return found
