"""The stack: built and deployed by SAM as anybody would, and what it is made of afterwards."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rehearsal.emulator import REPOSITORY, Emulator

SAM: Final = REPOSITORY / ".tools" / "sam" / "bin" / "sam"
FOLDER: Final = REPOSITORY / "infra" / "aws"
NAME: Final = "wire"
STAGE: Final = "rehearsal"


class DeployFailed(Exception):
    """SAM did not do it; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The deployed stack; `outputs` are those of the template."""

    emulator: Emulator
    outputs: Mapping[str, str]

    @property
    def api_url(self) -> str:
        """Where the API is, on the emulator's own path for it."""
        return f"{self.emulator.url}/_aws/execute-api/{self.outputs['ApiId']}"

    def function(self, name: str) -> str:
        """Name a function, e.g. `"jobs"`, as Lambda does."""
        return f"{NAME}-{name}"

    def roles(self) -> dict[str, dict[str, Any]]:
        """Read all roles of the stack back: `{"wire-guest_role": {"policy": …, "trust": …}}`."""
        iam, found = self.emulator.client("iam"), {}
        for page in iam.get_paginator("list_roles").paginate():
            for role in page["Roles"]:
                if role["RoleName"].startswith(NAME):
                    found[role["RoleName"]] = {
                        "arn": role["Arn"],
                        "trust": _parsed(role["AssumeRolePolicyDocument"]),
                        "policy": _merged(iam, role["RoleName"]),
                    }
        return found


def build(emulator: Emulator) -> None:
    """Build with the packages of this Python: the emulator runs functions by it."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    environment = {"LIBRARY_PYTHON": version, "PYTHON": sys.executable}
    _sam(emulator, "build", environment=environment)


def deploy(emulator: Emulator, parameters: Mapping[str, str]) -> Stack:
    """Deploy, or deploy anew.

    Raises:
        DeployFailed: SAM says why.
    """
    given = {"Stage": STAGE, **parameters}
    words = [f"{name}={value}" for name, value in given.items() if value]
    _sam(
        emulator,
        "deploy",
        "--stack-name",
        NAME,
        "--no-confirm-changeset",
        "--no-fail-on-empty-changeset",
        "--no-progressbar",
        "--parameter-overrides",
        *words,
    )
    (found,) = emulator.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
    return Stack(emulator, {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]})


def _sam(emulator: Emulator, *words: str, environment: Mapping[str, str] | None = None) -> None:
    own = {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.2"}
    done = subprocess.run(
        [SAM, *words],
        cwd=FOLDER,
        env={**emulator.environment(), **own, **(environment or {})},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise DeployFailed(f"sam {words[0]}: {done.stdout[-6000:]}{done.stderr[-3000:]}")


def _merged(iam: Any, role: str) -> dict[str, Any]:
    statements: list[Any] = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        held = iam.get_role_policy(RoleName=role, PolicyName=name)
        statements += _parsed(held["PolicyDocument"])["Statement"]
    return {"Version": "2012-10-17", "Statement": statements}


def _parsed(document: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document) if isinstance(document, str) else document
    return found
