"""A checkup from the stack, if one is named, to its last step."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from bellwire.aws.stacks import read_stack
from bellwire.config import Target
from bellwire.doctor.checkup import Checkup, Wanted
from bellwire.doctor.deployed import Deployed, read_outputs
from bellwire.doctor.steps import Step, StepFinding, take, take_one


def check_up(wanted: Wanted, stack_name: str | None = None) -> Iterator[StepFinding]:
    """Take all steps; without its stack nothing of a deployment is known, and nothing else asked.

    Args:
        wanted: its target is another where a stack says so; a key is nobody's there.
        stack_name: of CloudFormation; None: the target is what is meant.
    """
    if stack_name is not None:
        found: list[Deployed] = []
        yield take_one(Step("stack", lambda: _look_up(stack_name, found)))
        if not found:
            return
        wanted = replace(wanted, target=Target(found[0].url, None), deployed=found[0])
    with closing(Checkup(wanted)) as checkup:
        yield from take(checkup.steps())


def _look_up(name: str, found: list[Deployed]) -> str:
    stack = read_stack(name)
    deployed = read_outputs(stack.name, stack.status, stack.reason, stack.outputs)
    found.append(deployed)
    return f"{stack.name} is in {stack.status}, {deployed.url}"
