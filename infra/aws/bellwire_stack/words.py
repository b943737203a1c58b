"""CloudFormation's own words as values: `!Ref`, `!Sub`, `!GetAtt`, `!If` and the like."""

import re
from dataclasses import dataclass
from typing import Any, Final

_OPEN: Final = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value under a short tag, e.g. `Tagged("!Ref", "LogTable")`."""

    tag: str
    value: Any


def ref(name: str) -> Tagged:
    """Refer to a resource or a parameter."""
    return Tagged("!Ref", name)


def att(path: str) -> Tagged:
    """Refer to an attribute, e.g. `"LogTable.Arn"`."""
    return Tagged("!GetAtt", path)


def sub(text: str) -> Tagged:
    """Fill in a text, e.g. `"${AWS::StackName}-poll"`."""
    return Tagged("!Sub", text)


def when(condition: str, then: Any, otherwise: Any = None) -> Tagged:
    """Choose by a condition; without `otherwise` the property is left out."""
    return Tagged("!If", [condition, then, ref("AWS::NoValue") if otherwise is None else otherwise])


def yes_if(condition: str) -> Tagged:
    """Say true or false by a condition."""
    return Tagged("!If", [condition, True, False])


def is_set(parameter: str) -> Tagged:
    """Make a condition of whether a parameter is anything but empty."""
    return Tagged("!Not", [Tagged("!Equals", [ref(parameter), ""])])


def equals(parameter: str, value: str) -> Tagged:
    """Make a condition of what a parameter is."""
    return Tagged("!Equals", [ref(parameter), value])


def filled_in(value: Any, own: frozenset[str]) -> Any:
    """Turn texts with `${NAME}` of ours into `!Sub`; AWS's policy variables stay what they are.

    Args:
        value: a policy document or a part of it.
        own: the names that CloudFormation fills in.
    """
    match value:
        case dict():
            return {key: filled_in(one, own) for key, one in value.items()}
        case list():
            return [filled_in(one, own) for one in value]
        case str() if any(name in own for name in _OPEN.findall(value)):
            return sub(_OPEN.sub(lambda m: m[0] if m[1] in own else "${!" + m[1] + "}", value))
        case _:
            return value
