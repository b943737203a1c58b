"""The policy reader: a document is read or refused, and what was read can be asked."""

import json

import atheris

with atheris.instrument_imports(include=["bellwire_local"]):
    from bellwire_local.errors import PolicyRefused
    from bellwire_local.iam.policies import evaluate, read_policy

from fuzz.running import run


def check(drawn: bytes) -> None:
    """Read any JSON object as a policy; what is no JSON is of no interest."""
    try:
        document = json.loads(drawn)
    except (ValueError, RecursionError):
        return
    if not isinstance(document, dict):
        return
    try:
        policy = read_policy("drawn", document)
    except PolicyRefused:
        return
    evaluate([policy], "iot:Publish", "arn:aws:iot:eu-central-1:111122223333:topic/a", {})


def policy_with(**elements: object) -> bytes:
    """Write a policy of one statement, `elements` in place of the usual ones."""
    statement = {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"} | elements
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()


SEEDS = [
    policy_with(),
    policy_with(Sid="a", Effect="Deny", Action=["iot:*", "iot:Re?eive"]),
    policy_with(Resource=["arn:aws:iot:*:*:topic/${iot:ClientId}/*", "a${*}${$}"]),
    policy_with(Condition={"StringEquals": {"aws:SourceIp": "10.0.0.0/8"}}),
    policy_with(NotAction="iot:Connect"),
    policy_with(NotResource="*"),
]

if __name__ == "__main__":
    run(check, SEEDS)
