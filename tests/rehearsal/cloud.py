"""The stand-in in the rehearsal: it knows the roles that are deployed, and the functions' keys."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from bellwire_local.accounts import Account, PoolSettings, Role
from bellwire_local.identity.credentials import Credentials
from bellwire_local.iot.rules import TopicRule
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import ThreadedStandIn, running_in_thread
from rehearsal.emulator import ACCOUNT_ID, REGION
from rehearsal.stack import NAME, Stack

DEVELOPER: Final = "login.bellwire"
LIFECYCLE: Final = "$aws/events/+/+/+"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the stand-in is going to listen."""

    directory: Path
    iot_port: int
    aws_port: int

    @property
    def iot_url(self) -> str:
        """Where browsers connect."""
        return f"ws://127.0.0.1:{self.iot_port}/mqtt"

    @property
    def aws_url(self) -> str:
        """Where AWS IoT, Cognito and STS answer."""
        return f"http://127.0.0.1:{self.aws_port}"

    def pool_id(self) -> str:
        """Return the identity pool's id, which is kept in the directory."""
        return StandIn(StandInSettings(data_dir=self.directory)).identity_pool_id

    def for_functions(self) -> dict[str, str]:
        """Return the SDK's own variables that lead functions here."""
        services = ("IOT", "IOT_DATA_PLANE", "COGNITO_IDENTITY", "STS")
        return {f"AWS_ENDPOINT_URL_{one}": self.aws_url for one in services}


class CloudSwitch:
    """The stand-in, running but for the blocks in which it is off."""

    def __init__(self, places: Places, stack: Stack) -> None:
        self._places = places
        self._stack = stack
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self._running.enter_context(running_cloud(self._places, self._stack))
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @contextmanager
    def off(self) -> Iterator[None]:
        """Have AWS IoT, Cognito and STS away until the block ends."""
        self._running.close()
        try:
            yield
        finally:
            self._running.enter_context(running_cloud(self._places, self._stack))


@contextmanager
def running_cloud(places: Places, stack: Stack) -> Iterator[ThreadedStandIn]:
    """Run the stand-in with what the stack has deployed: its roles, its rule."""
    emulators_pool, own_pool = _emulators_pool(stack), places.pool_id()
    deployed = stack.roles()
    roles = {
        name: Role(
            _renamed(role["policy"], {emulators_pool: own_pool}),
            _renamed(role["trust"], {emulators_pool: own_pool}),
        )
        for name, role in deployed.items()
    }
    stand_in = StandIn(
        StandInSettings(
            data_dir=places.directory,
            accounts={ACCOUNT_ID: Account(roles)},
            pool=PoolSettings(
                unauthenticated_role=f"{NAME}-guest_role",
                authenticated_role=f"{NAME}-member_role",
                developer_provider=DEVELOPER,
                has_classic_flow=False,
            ),
            region=REGION,
            account_id=ACCOUNT_ID,
            iot_port=places.iot_port,
            aws_port=places.aws_port,
        )
    )
    adopt_functions(stand_in, stack)
    stand_in.add_rule(_lifecycle_rule(stack))
    with running_in_thread(stand_in) as running:
        yield running


def adopt_functions(stand_in: StandIn, stack: Stack) -> None:
    """Have the stand-in know what every function signs with, each version of it."""
    functions = stack.emulator.client("lambda")
    names = [one["FunctionName"] for one in functions.list_functions(MaxItems=50)["Functions"]]
    for name in names:
        for version in functions.list_versions_by_function(FunctionName=name)["Versions"]:
            role = version["Role"].rpartition("/")[2]
            stand_in.adopt_credentials(execution_credentials(version), role, name)


def execution_credentials(function: Mapping[str, Any]) -> Credentials:
    """Return what MiniStack hands a function. Source: its core/lambda_runtime.py, 1.5.33."""
    held = f"{function['FunctionArn']}:{function['Role']}"
    digest = hashlib.sha256(held.encode()).hexdigest()
    return Credentials(
        f"ASIA{digest[:16].upper()}",
        hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
        hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
        None,
    )


def _emulators_pool(stack: Stack) -> str:
    found = stack.emulator.client("cognito-identity").list_identity_pools(MaxResults=10)
    return str(found["IdentityPools"][0]["IdentityPoolId"])


def _renamed(document: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    text = json.dumps(document)
    for old, new in names.items():
        text = text.replace(old, new)
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def _lifecycle_rule(stack: Stack) -> TopicRule:
    """Invoke the function as the deployed rule does: asynchronously."""
    functions = stack.emulator.client("lambda")

    def tell(_topic: str, payload: bytes) -> None:
        functions.invoke(
            FunctionName=stack.function("lifecycle"), InvocationType="Event", Payload=payload
        )

    return TopicRule(LIFECYCLE, tell)
