"""Does every role grant what its function does, and nothing else?

That it grants enough is seen in all stories: MiniStack and the stand-in refuse what the deployed
roles do not allow. Here: whether anything was granted that no story made use of.
"""

from collections.abc import Mapping
from typing import Any, Final

from rehearsal.stories import Stage

NAMES: Final = {"iotdevicegateway": "iot", "iotdata": "iot", "execute-api": "iot"}
"""Services whose signing name is not what their actions begin with."""

ACTIONS: Final = {"lambda:Invoke": "lambda:InvokeFunction"}
"""Operations that are not called like their action. Source: Service Authorization Reference."""

FOR_AWS_ITSELF: Final = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
}
"""What Lambda does by a function's role: it writes logs, and reads queues and streams."""

NOT_REHEARSED: Final = {
    "poll": {"iot:DescribeEndpoint"},  # the stand-in's endpoint is given by a parameter
    # After an answer was lost, an append looks whether it was its own that moved the head.
    **{name: {"dynamodb:GetItem"} for name in ("publish", "jobs", "events")},
    # Lambda itself sends what an asynchronous call could not do.
    "invoke": {"dynamodb:GetItem", "sqs:SendMessage"},
    # A connection is asked about after a minute, and ended when somebody kicked comes back:
    # tests/backend/test_presence_live.py and test_presence_and_kicks.py, on the same documents.
    "heal": {
        "sqs:SendMessage",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "iot:GetConnection",
        "iot:ListSubscriptions",
    },
    "lifecycle": {"iot:DeleteConnection", "sqs:SendMessage"},
}


def rights(stage: Stage) -> bool:
    """Every action that a role grants has been taken, but for those with a reason."""
    taken = {
        name: {_action(one) for one in actions} for name, actions in stage.weather.calls().items()
    }
    roles, is_well = stage.stack.roles(), True
    functions = stage.stack.emulator.client("lambda").list_functions(MaxItems=50)["Functions"]
    for function in functions:
        name = function["FunctionName"]
        granted = _granted(roles[function["Role"].rpartition("/")[2]]["policy"])
        known = FOR_AWS_ITSELF | NOT_REHEARSED.get(name.partition("-")[2], set())
        unused = granted - taken.get(name, set()) - known
        if unused:
            print(f"rehearsal: {name} never used {sorted(unused)}", flush=True)
            is_well = False
    return is_well


def _granted(policy: Mapping[str, Any]) -> set[str]:
    granted: set[str] = set()
    for one in policy["Statement"]:
        granted |= {one["Action"]} if isinstance(one["Action"], str) else set(one["Action"])
    return granted


def _action(operation: str) -> str:
    service, _, name = operation.partition(":")
    found = f"{NAMES.get(service, service)}:{name}"
    return ACTIONS.get(found, found)
