"""A CloudFormation stack as its owner asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from bellwire.aws.own_calls import explained, own_client
from bellwire.errors import NotFound


@dataclass(frozen=True, slots=True)
class Stack:
    """What CloudFormation says of a stack.

    Attributes:
        status: e.g. `"CREATE_COMPLETE"`.
        reason: why, where that is told.
        outputs: by key, e.g. `{"ApiUrl": "https://abc.execute-api.eu-west-1.amazonaws.com"}`.
    """

    name: str
    status: str
    reason: str
    outputs: Mapping[str, str]


def read_stack(name: str) -> Stack:
    """Ask for a stack with the SDK's usual credentials, in its usual region.

    Raises:
        NotFound: there is none of that name.
        Unauthenticated: no credentials, or some that do not hold; or no region is known.
        NotAllowed: they may not ask.
        Upstream: no answer.
    """
    client = own_client("cloudformation")
    where = f"the stack {name} in {client.meta.region_name}"
    with explained("cloudformation:DescribeStacks", where):
        try:
            (found,) = client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if _says_missing(error):
                raise NotFound(
                    f"no stack {name!r} in {client.meta.region_name}: is it another region's or"
                    " another account's?"
                ) from error
            raise
    outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
    return Stack(name, found["StackStatus"], found.get("StackStatusReason", ""), outputs)


def _says_missing(error: ClientError) -> bool:
    """A stack that is not there is a ValidationError, and its text alone says so.

    Source: CloudFormation API, DescribeStacks: "If the stack doesn't exist, a ValidationError is
    returned".
    """
    found = error.response.get("Error", {})
    return found.get("Code") == "ValidationError" and "not exist" in found.get("Message", "")
