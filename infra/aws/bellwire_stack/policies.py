"""Documents of iot_policies/, filled in for CloudFormation; statements about the stack itself."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from bellwire.policies import Place, load_policy, load_trust
from bellwire_stack.words import Tagged, att, filled_in, sub

Statement = dict[str, Any]

PLACE: Final = Place(
    region="${AWS::Region}",
    account_id="${AWS::AccountId}",
    stage="${Stage}",
    pool_id="${IdentityPool}",
    api_id="${HttpApi}",
    role_prefix="${AWS::StackName}-",
)
OWN: Final = frozenset(
    {"AWS::Region", "AWS::AccountId", "AWS::StackName", "Stage", "IdentityPool", "HttpApi"}
)
LAMBDA_TRUST: Final[Mapping[str, Any]] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def document(name: str) -> Any:
    """Return a document of iot_policies/, e.g. `"guest_role"`."""
    return filled_in(dict(load_policy(name, PLACE)), OWN)


def trust(role: str) -> Any:
    """Return the trust policy of a role."""
    return filled_in(dict(load_trust(role, PLACE)), OWN)


def statements(name: str, sids: Collection[str] = ()) -> list[Statement]:
    """Return statements of a document, all of them or those of some Sids."""
    found: list[Statement] = document(name)["Statement"]
    chosen = [one for one in found if not sids or one["Sid"] in sids]
    missing = set(sids) - {one["Sid"] for one in chosen}
    if missing:
        raise ValueError(f"expected {sorted(missing)} in {name}, found {found}")
    return chosen


def allow(sid: str, actions: Collection[str], *resources: Tagged | str) -> Statement:
    """Return a statement about resources of the stack."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": list(resources) if len(resources) > 1 else resources[0],
    }


def on_table(sid: str, table: str, *operations: str) -> Statement:
    """Allow operations on a table, e.g. `on_table("ReadLog", "LogTable", "Query")`."""
    return allow(sid, [f"dynamodb:{one}" for one in operations], att(f"{table}.Arn"))


def on_queue(sid: str, queue: str, *operations: str) -> Statement:
    """Allow operations on a queue."""
    return allow(sid, [f"sqs:{one}" for one in operations], att(f"{queue}.Arn"))


def own_logs(function: str) -> Statement:
    """Allow a function to write its own log group."""
    arn = "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/${AWS::StackName}"
    return allow(
        "OwnLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], sub(f"{arn}-{function}:*")
    )
