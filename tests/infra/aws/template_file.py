"""The committed template as values, and its policy documents as CloudFormation fills them in."""

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from bellwire.policies import Place

TEMPLATE: Final = Path(__file__).parents[3] / "infra" / "aws" / "template.yaml"
PLACE: Final = Place(
    region="eu-west-1",
    account_id="210987654321",
    stage="green",
    pool_id="eu-west-1:5b1a7c0e-3f2d-4c1b-9a8e-0123456789ab",
    api_id="a1b2c3",
    role_prefix="wire-",
)
FILLED_IN: Final = {
    "AWS::Region": PLACE.region,
    "AWS::AccountId": PLACE.account_id,
    "AWS::StackName": "wire",
    "Stage": PLACE.stage,
    "IdentityPool": PLACE.pool_id,
    "HttpApi": PLACE.api_id,
}


class _Loader(yaml.SafeLoader):
    """Reads `!Word value` as `{"!Word": value}`."""


def _read_tagged(loader: _Loader, tag: str, node: yaml.Node) -> Any:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            raise AssertionError(f"{tag} stands before something else")
    return {f"!{tag}": value}


_Loader.add_multi_constructor("!", _read_tagged)


@cache
def read_template() -> dict[str, Any]:
    """Read the template."""
    found: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)
    return found


def resources(kind: str) -> dict[str, Any]:
    """Return the properties of all resources of a type, by their names."""
    return {
        name: one["Properties"]
        for name, one in read_template()["Resources"].items()
        if one["Type"] == kind
    }


def filled_in(value: Any) -> Any:
    """Do as CloudFormation does with `!Sub`, for the names of which the value is known."""
    match value:
        case {"!Sub": str(text)} if len(value) == 1:
            filled = re.sub(r"\$\{(\w[\w:]*)\}", lambda m: FILLED_IN.get(m[1], m[0]), text)
            return filled.replace("${!", "${")
        case dict():
            return {name: filled_in(one) for name, one in value.items()}
        case list():
            return [filled_in(one) for one in value]
        case _:
            return value
