"""The whole template."""

from typing import Any, Final

from bellwire_stack.alarms import alarms
from bellwire_stack.api import api
from bellwire_stack.functions_of_stack import functions
from bellwire_stack.identity import identity
from bellwire_stack.parameters import CONDITIONS, PARAMETERS
from bellwire_stack.queues import queues
from bellwire_stack.rules import rules
from bellwire_stack.tables import tables
from bellwire_stack.words import att, ref, sub, when

ENVIRONMENT: Final[dict[str, Any]] = {
    "BELLWIRE_STAGE": ref("Stage"),
    "BELLWIRE_ACCOUNT_ID": ref("AWS::AccountId"),
    "BELLWIRE_STACK": ref("AWS::StackName"),
    "BELLWIRE_POOL_ID": when("HasPoolOverride", ref("IdentityPoolOverride"), ref("IdentityPool")),
    "BELLWIRE_API_ID": ref("HttpApi"),
    "BELLWIRE_API_URL": ref("ApiUrl"),
    "BELLWIRE_IOT_URL": ref("IotUrl"),
    "BELLWIRE_COGNITO_URL": ref("CognitoUrl"),
    "BELLWIRE_DEVELOPER_PROVIDER": ref("DeveloperProvider"),
    "BELLWIRE_GUESTS": ref("Guests"),
    "BELLWIRE_PRESENCE": ref("PresenceNamespaces"),
    "BELLWIRE_POLL_AFTER_MS": ref("PollAfterMs"),
    "BELLWIRE_TOKEN_LIFETIME_S": ref("TokenLifetimeS"),
    "BELLWIRE_RETENTION_S": ref("RetentionS"),
    "BELLWIRE_ID_WINDOW_S": ref("IdWindowS"),
    "BELLWIRE_FAN_OUT": ref("FanOut"),
    "BELLWIRE_LOG_TABLE": ref("LogTable"),
    "BELLWIRE_KEYED_TABLE": ref("KeyedTable"),
    "BELLWIRE_DIRECTORY_TABLE": ref("DirectoryTable"),
    "BELLWIRE_PRESENCE_TABLE": ref("PresenceTable"),
    "BELLWIRE_LOGINS_PARAMETER": ref("LoginsParameter"),
    "BELLWIRE_LOGIN_SECRET": when("HasLoginSecret", att("LoginSecret.Id"), ""),
    "BELLWIRE_BEARER_SECRET": att("BearerSecret.Id"),
    "BELLWIRE_DEAD_LETTERS_QUEUE": ref("DeadLettersQueue"),
    "BELLWIRE_DOORBELLS_QUEUE": ref("DoorbellsQueue"),
    "BELLWIRE_TRACING": ref("Tracing"),
}


def template() -> dict[str, Any]:
    """Return it as values; `yaml_text` writes it."""
    made = functions()
    resources: dict[str, Any] = {
        **tables(),
        **queues(),
        **identity(),
        "LibraryLayer": _library(),
    }
    for function in made:
        resources |= function.resources()
    resources |= {**api(made), **rules(), **alarms(made)}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": "Bellwire: realtime push for web dashboards, on AWS IoT",
        "Parameters": PARAMETERS,
        "Conditions": CONDITIONS,
        "Globals": {
            "Function": {
                "Runtime": "python3.13",
                "Architectures": ["x86_64"],
                "CodeUri": "functions/",
                "Layers": [ref("LibraryLayer")],
                "Tracing": when("HasTracing", "Active", "PassThrough"),
                "Environment": {"Variables": ENVIRONMENT},
            }
        },
        "Resources": resources,
        "Outputs": _outputs(),
    }


def _library() -> dict[str, Any]:
    return {
        "Type": "AWS::Serverless::LayerVersion",
        "Metadata": {"BuildMethod": "makefile", "BuildArchitecture": "x86_64"},
        "Properties": {
            "LayerName": sub("${AWS::StackName}-library"),
            "Description": "bellwire, its policy documents and what it imports",
            "ContentUri": "library/",
            "CompatibleRuntimes": ["python3.13"],
            "CompatibleArchitectures": ["x86_64"],
            "RetentionPolicy": "Delete",
            "PublishLambdaVersion": True,
        },
    }


def _outputs() -> dict[str, Any]:
    own_url = sub("https://${HttpApi}.execute-api.${AWS::Region}.amazonaws.com")
    values = {
        "ApiUrl": ("Where clients and jobs call", when("HasApiUrl", ref("ApiUrl"), own_url)),
        "ApiId": ("The HTTP API", ref("HttpApi")),
        "Stage": ("What topics begin with", ref("Stage")),
        "Region": ("Where the stack is", ref("AWS::Region")),
        "IdentityPoolId": ("The identity pool", ENVIRONMENT["BELLWIRE_POOL_ID"]),
        "JobsQueueUrl": ("Updates in any order", ref("JobsQueue")),
        "JobsFifoQueueUrl": ("Updates in the order of their groups", ref("JobsFifoQueue")),
        "EventBusName": ("Updates as events", ref("EventBus")),
        "DeadLettersQueueUrl": ("What could not be done", ref("DeadLettersQueue")),
        "JobsDeadLettersQueueUrl": ("Jobs received too often", ref("JobsDeadLettersQueue")),
        "JobsFifoDeadLettersQueueUrl": (
            "The same of the FIFO queue",
            ref("JobsFifoDeadLettersQueue"),
        ),
        "RedriveFunctionName": ("Does it again", ref("RedriveFunction")),
        "InvokeFunctionName": ("Publishes what it is called with", ref("InvokeFunction")),
        "PublisherRoleArn": ("For jobs", att("PublisherRole.Arn")),
        "OperatorRoleArn": ("For operators", att("OperatorRole.Arn")),
    }
    return {
        name: {"Description": description, "Value": value}
        for name, (description, value) in values.items()
    }
