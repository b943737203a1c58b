"""The project's policy documents as the stand-in is given them."""

import json
from pathlib import Path

import pytest

from bellwire_local.iot.policies import PolicyDocument

POLICIES = Path(__file__).parents[3] / "iot_policies"


def render(name: str) -> PolicyDocument:
    """Read a policy document as a deployment of stage `dev` would see it."""
    text = (POLICIES / f"{name}.json").read_text()
    for placeholder, value in (
        ("region", "us-east-1"),
        ("account", "000000000000"),
        ("stage", "dev"),
    ):
        text = text.replace(f"{{{placeholder}}}", value)
    document = json.loads(text)
    assert isinstance(document, dict)
    return document


@pytest.fixture(scope="session")
def roles() -> dict[str, PolicyDocument]:
    """The project's policy documents, rendered for stage `dev`."""
    names = ("guest_role", "publisher_role", "operator_role")
    return {name: render(name) for name in names}
