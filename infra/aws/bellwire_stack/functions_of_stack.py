"""All functions of the stack."""

from typing import Any, Final

from bellwire.functions.redrive import REPLAYABLE
from bellwire_stack.functions import MAX_EVENT_AGE_S, Function
from bellwire_stack.policies import Statement, allow, on_queue, on_table, statements
from bellwire_stack.words import Tagged, att, ref, sub, when

READ_LOG: Final = (
    on_table("ReadLog", "LogTable", "GetItem", "Query"),
    on_table("ReadState", "KeyedTable", "Query"),
)
APPEND: Final = (
    on_table("AppendToLog", "LogTable", "GetItem", "PutItem", "Query", "UpdateItem"),
    on_table("RememberIds", "KeyedTable", "PutItem"),
)
PUSH: Final = tuple(statements("publisher_role", ["PublishUnderTheStage"]))
SEND_DEAD_LETTERS: Final = on_queue("SendDeadLetters", "DeadLettersQueue", "SendMessage")
FIND_PEOPLE: Final = on_table("FindPeople", "DirectoryTable", "GetItem")
KEEP_PEOPLE: Final = on_table("KeepPeople", "DirectoryTable", "GetItem", "PutItem")
UNDELIVERED: Final[dict[str, Any]] = {
    "DeadLetterConfig": {"Arn": att("DeadLettersQueue.Arn")},
    "RetryPolicy": {"MaximumEventAgeInSeconds": MAX_EVENT_AGE_S, "MaximumRetryAttempts": 185},
}
"""What EventBridge cannot hand to Lambda. Source: EventBridge guide, eb-rule-retry-policy."""

HEARTBEAT: Final = '{"channel":"public/heartbeat","op":"event","data":"beat"}'
READ_BEARER_SECRET: Final = allow(
    "ReadBearerSecret", ["secretsmanager:GetSecretValue"], att("BearerSecret.Id")
)
SEE_CONNECTIONS: Final = tuple(statements("connections_role", ["SeeConnections"]))
END_CONNECTIONS: Final = tuple(statements("connections_role", ["EndConnections"]))


def functions() -> list[Function]:
    """Return them, those of the API first."""
    return [*_of_the_api(), *_of_jobs(), *_of_the_stack()]


def _of_the_api() -> list[Function]:
    describe = allow("FindIotEndpoint", ["iot:DescribeEndpoint"], "*")
    return [
        Function(
            "poll",
            "GET /v1/updates, /v1/signed/updates, /v1/config, /v1/health",
            (*READ_LOG, FIND_PEOPLE, READ_BEARER_SECRET, describe),
            memory_mb=1024,
            has_alias=True,
        ),
        Function(
            "presence",
            "GET /v1/presence",
            (
                on_table("ReadPresence", "PresenceTable", "Query"),
                FIND_PEOPLE,
                READ_BEARER_SECRET,
            ),
        ),
        Function(
            "session",
            "POST /v1/session",
            (
                *statements("session_role"),
                KEEP_PEOPLE,
                READ_BEARER_SECRET,
                _when_login_secret(),
                allow("ReadLogins", ["ssm:GetParameter"], _parameter("LoginsParameter")),
            ),
            timeout_s=25,
            memory_mb=1024,
            has_alias=True,
        ),
        Function("publish", "POST /v1/publish", (*APPEND, *_when_inline()), timeout_s=25),
        Function(
            "people",
            "POST /v1/users, /v1/kick",
            (
                *statements("session_role", ["VouchForUsers"]),
                *END_CONNECTIONS,
                *statements("connections_role", ["TakeAway"]),
                KEEP_PEOPLE,
                on_table("FindConnections", "PresenceTable", "Query"),
            ),
            timeout_s=25,
        ),
    ]


def _of_jobs() -> list[Function]:
    from_queues = (
        on_queue("ReadJobs", "JobsQueue", *_READING),
        on_queue("ReadFifoJobs", "JobsFifoQueue", *_READING),
    )
    intake = (*APPEND, *_when_inline(), SEND_DEAD_LETTERS)
    return [
        Function(
            "jobs",
            "Updates that come by the queues",
            (*intake, *from_queues),
            timeout_s=60,
            events={
                "Standard": _from_queue("JobsQueue", batch=10),
                "Fifo": _from_queue("JobsFifoQueue", batch=10),
            },
        ),
        Function(
            "events",
            "Updates that come by the event bus and by schedules",
            intake,
            timeout_s=60,
            is_asynchronous=True,
            events={
                "Updates": {
                    "Type": "EventBridgeRule",
                    "Properties": {
                        "EventBusName": ref("EventBus"),
                        "Pattern": {"detail-type": ["Bellwire Updates"]},
                        **UNDELIVERED,
                    },
                },
                "Heartbeat": {
                    "Type": "Schedule",
                    "Properties": {
                        "Schedule": "rate(1 minute)",
                        "State": when("HasHeartbeat", "ENABLED", "DISABLED"),
                        "Input": HEARTBEAT,
                        "Description": "Publishes to public/heartbeat",
                        **UNDELIVERED,
                    },
                },
            },
        ),
        Function(
            "changes",
            "Updates made of the changes in a stream of the application's own",
            (
                *intake,
                allow("ReadStream", _STREAM_READING, ref("ChangesStreamArn")),
                allow("ListStreams", ["dynamodb:ListStreams", "kinesis:ListStreams"], "*"),
            ),
            timeout_s=60,
            condition="HasChanges",
            layers=(when("HasChangesLayer", ref("ChangesLayerArn")),),
            environment={"BELLWIRE_MAPPING": ref("ChangesMapping")},
            events={"Stream": _from_stream(ref("ChangesStreamArn"))},
        ),
        Function(
            "invoke",
            "Updates that come by a direct call, of Step Functions for example",
            (*APPEND, *_when_inline(), SEND_DEAD_LETTERS),
            timeout_s=60,
            is_asynchronous=True,
        ),
    ]


def _of_the_stack() -> list[Function]:
    return [
        Function(
            "doorbells",
            "Pushes what the log's stream tells of, and keeps state up to it",
            (
                on_table("FollowLog", "LogTable", "GetItem", "Query", "UpdateItem"),
                on_table("WriteState", "KeyedTable", "PutItem"),
                *PUSH,
                on_queue("RingLater", "DoorbellsQueue", "SendMessage", *_READING),
                SEND_DEAD_LETTERS,
                allow(
                    "ReadStream",
                    [f"dynamodb:{one}" for one in _DYNAMODB_STREAM],
                    att("LogTable.StreamArn"),
                ),
                allow("ListStreams", ["dynamodb:ListStreams"], "*"),
            ),
            timeout_s=60,
            events={
                "Log": _from_stream(
                    att("LogTable.StreamArn"),
                    FilterCriteria={"Filters": [{"Pattern": '{"eventName":["INSERT"]}'}]},
                    ParallelizationFactor=4,
                ),
                "Later": _from_queue("DoorbellsQueue", batch=10),
            },
        ),
        Function(
            "lifecycle",
            "Who connects, subscribes and goes, as AWS IoT tells",
            (
                on_table("KeepPresence", "PresenceTable", "DeleteItem", "GetItem", "PutItem"),
                FIND_PEOPLE,
                *END_CONNECTIONS,
                SEND_DEAD_LETTERS,
            ),
            is_asynchronous=True,
        ),
        Function(
            "heal",
            "Asks AWS IoT about connections of which nothing was heard",
            (
                on_table("KeepPresence", "PresenceTable", "DeleteItem", "GetItem", "PutItem"),
                allow(
                    "FindSilent",
                    ["dynamodb:Query"],
                    sub("${PresenceTable.Arn}/index/due"),
                ),
                *SEE_CONNECTIONS,
            ),
            timeout_s=55,
            is_asynchronous=True,
            keeps_failures=False,  # the next minute does it all
            events={
                "EachMinute": {"Type": "Schedule", "Properties": {"Schedule": "rate(1 minute)"}}
            },
        ),
        Function(
            "redrive",
            "Does again what lies in the dead letters",
            (
                on_queue("ReadDeadLetters", "DeadLettersQueue", *_READING),
                on_queue("ReadDeadJobs", "JobsDeadLettersQueue", *_READING),
                on_queue("ReadDeadFifoJobs", "JobsFifoDeadLettersQueue", *_READING),
                allow(
                    "CallAgain",
                    ["lambda:InvokeFunction"],
                    *(sub(f"{_FUNCTIONS}-{name}") for name in REPLAYABLE),
                ),
                allow(
                    "ReadStreamsAgain",
                    ["dynamodb:GetRecords", "dynamodb:GetShardIterator"],
                    att("LogTable.StreamArn"),
                ),
                _when_changes(),
            ),
            timeout_s=900,
            environment={
                "BELLWIRE_JOBS_DEAD_LETTERS_QUEUES": Tagged(
                    "!Join", [",", [ref("JobsDeadLettersQueue"), ref("JobsFifoDeadLettersQueue")]]
                )
            },
        ),
    ]


_READING: Final = (
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "ReceiveMessage",
)
_FUNCTIONS: Final = "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}"
_DYNAMODB_STREAM: Final = ("DescribeStream", "GetRecords", "GetShardIterator")
_STREAM_READING: Final = (
    *(f"dynamodb:{one}" for one in _DYNAMODB_STREAM),
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)


def _from_queue(queue: str, *, batch: int) -> dict[str, Any]:
    return {
        "Type": "SQS",
        "Properties": {
            "Queue": att(f"{queue}.Arn"),
            "BatchSize": batch,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        },
    }


def _from_stream(stream: Tagged, **more: Any) -> dict[str, Any]:
    """Read a stream from its beginning: what is older than the stack is not lost on it."""
    return {
        "Type": "DynamoDB",
        "Properties": {
            "Stream": stream,
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": 100,
            "MaximumRetryAttempts": 20,
            "MaximumRecordAgeInSeconds": 3600,
            "BisectBatchOnFunctionError": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "DestinationConfig": {
                "OnFailure": {"Type": "SQS", "Destination": att("DeadLettersQueue.Arn")}
            },
            **more,
        },
    }


def _when_inline() -> tuple[Any, ...]:
    """Pushing at once is for stacks that are told to."""
    return tuple(when("IsInline", one) for one in PUSH)


def _when_login_secret() -> Any:
    read = allow("ReadLoginSecret", ["secretsmanager:GetSecretValue"], att("LoginSecret.Id"))
    return when("HasLoginSecret", read)


def _when_changes() -> Any:
    read: Statement = allow(
        "ReadChangesAgain",
        [
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
        ],
        ref("ChangesStreamArn"),
    )
    return when("HasChanges", read)


def _parameter(name: str) -> Tagged:
    return sub(f"arn:aws:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter${{{name}}}")
