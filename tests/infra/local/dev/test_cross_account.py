"""docs/cross_account.md, walked through: sessions in one account, AWS IoT in another."""

import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import boto3
import pytest

from bellwire.aws.cognito import CognitoIdentities
from bellwire.aws.iot_connections import IotConnections
from bellwire.aws.iot_grants import IotGrants
from bellwire.aws.sts import RoleElsewhere, StsNarrowing
from bellwire.bearers import Bearers
from bellwire.jwks import JwksKeys, fetch_from
from bellwire.logins import Login
from bellwire.policies import Place, load_policy, load_trust
from bellwire.sessions import Membership, Session, open_member_session, open_narrowed_session
from bellwire.sql.directory import SqlDirectory
from bellwire.sql.engine import open_sqlite
from bellwire_local.accounts import Account, PoolSettings, Role
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import running_in_thread
from infra.local.mqtt_probe import Probe

GUIDE = (Path(__file__).parents[4] / "docs/cross_account.md").read_text()
HOME, PUSH = "000000000000", "111111111111"
HERE = Place("us-east-1", HOME, "prod")
THERE = Place("us-east-1", PUSH, "prod", home_account_id=HOME)
NOTHING = {"Version": "2012-10-17", "Statement": []}
JOB = {"Effect": "Allow", "Resource": f"arn:aws:iam::{PUSH}:role/publisher_role"}


def from_guide(number: int) -> dict[str, Any]:
    """Return the nth JSON document of the guide, as a reader would copy it."""
    documents = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    return cast("dict[str, Any]", json.loads(documents[number]))


def accounts() -> dict[str, Account]:
    session = load_policy("session_role", HERE)
    more = {**session, "Statement": [*session["Statement"], from_guide(2)]}
    roles = ("member_role", "narrowed_role", "publisher_role", "connections_role")
    there = {role: Role(load_policy(role, THERE), load_trust(role, THERE)) for role in roles}
    there["push_grants_role"] = Role(from_guide(0), from_guide(1))
    return {
        HOME: Account(
            {
                "session_role": Role(more, load_trust("session_role", HERE)),
                "member_role": Role(NOTHING),
                "job": Role({**NOTHING, "Statement": [{**JOB, "Action": "sts:AssumeRole"}]}),
            }
        ),
        PUSH: Account(there),
    }


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    pool = PoolSettings(authenticated_role="member_role", developer_provider="login.example")
    settings = StandInSettings(
        tmp_path_factory.mktemp("accounts"), accounts(), pool, iot_port=0, aws_port=0
    )
    with running_in_thread(StandIn(settings)) as running:
        yield running.stand_in


def client(stand_in: StandIn, service: str, keys: dict[str, Any]) -> Any:
    session = boto3.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        region_name="us-east-1",
    )
    made: Any = session.client(
        service,  # type: ignore[call-overload]  # one line for all services
        endpoint_url=stand_in.aws_url,
    )
    return made


def assume(stand_in: StandIn, role: str, keys: dict[str, Any]) -> dict[str, Any]:
    """Become a role of the push account, as one of the home account."""
    wanted = {"RoleArn": f"arn:aws:iam::{PUSH}:role/{role}", "RoleSessionName": "from-home"}
    assumed = client(stand_in, "sts", keys).assume_role(**wanted)
    return cast("dict[str, Any]", assumed["Credentials"])


def home_keys(stand_in: StandIn, role: str) -> dict[str, Any]:
    keys = stand_in.credentials_for(role, "here")
    return {
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key,
        "SessionToken": None,
    }


@pytest.fixture
def membership(stand_in: StandIn, tmp_path: Path) -> Membership:
    keys = home_keys(stand_in, "session_role")
    sts, there = client(stand_in, "sts", keys), assume(stand_in, "push_grants_role", keys)
    elsewhere = RoleElsewhere(sts, f"arn:aws:iam::{PUSH}:role/member_role")
    return Membership(
        place=THERE,
        identities=CognitoIdentities(
            client(stand_in, "cognito-identity", keys),
            stand_in.identity_pool_id,
            developer_provider="login.example",
            now_s=time.time,
            elsewhere=elsewhere.credentials,
        ),
        directory=SqlDirectory(open_sqlite(tmp_path / "log.db")),
        open_grants=lambda: IotGrants(
            client(stand_in, "iot", there),
            monotonic_s=time.monotonic,
            wait_s=time.sleep,
            random=random.random,
        ),
        narrowing=StsNarrowing(sts, f"arn:aws:iam::{PUSH}:role/narrowed_role"),
        bearers=Bearers(
            pool_id=stand_in.identity_pool_id,
            pool_keys=JwksKeys(fetch_from(f"{stand_in.aws_url}/unused"), time.monotonic),
            secret=lambda: b"s" * 32,
            stage="prod",
        ),
    )


def connect(stand_in: StandIn, session: Session) -> Probe:
    assert session.credentials is not None
    keys = session.credentials
    signer = (keys.access_key_id, keys.secret_access_key, keys.session_token)
    return Probe(stand_in.iot_url, signer, f"{session.identity_id}-tab")


def filters_of(identity_id: str, is_own: bool) -> list[tuple[str, bool]]:  # noqa: FBT001 - a row
    return [
        ("prod/public/news", True),
        (f"prod/user/{identity_id}/inbox", is_own),
        ("prod/group/red/room", is_own),
        ("prod/group/blue/room", False),
        ("prod/group/+/room", False),
        ("prod/#", False),
    ]


def test_a_member_reads_in_the_other_account_what_is_theirs(
    stand_in: StandIn, membership: Membership
) -> None:
    alice = Login(("red",), int(time.time()), user="alice")
    session = open_member_session(alice, membership, wants_credentials=True)
    with connect(stand_in, session) as probe:
        assert probe.is_connected
        for topic_filter, is_allowed in filters_of(session.identity_id, is_own=True):
            assert probe.subscribe(topic_filter) is is_allowed, topic_filter
        job = assume(stand_in, "publisher_role", home_keys(stand_in, "job"))
        pushing = client(stand_in, "iot-data", job)
        pushing.publish(topic="prod/group/blue/room", payload=b"not theirs")
        pushing.publish(topic="prod/group/red/room", payload=b"hello")
        assert probe.messages.get(timeout=10) == ("prod/group/red/room", b"hello")


def test_connections_there_are_ended_from_here(stand_in: StandIn, membership: Membership) -> None:
    bob = Login((), int(time.time()), user="bob")
    session = open_member_session(bob, membership, wants_credentials=True)
    keys = assume(stand_in, "connections_role", home_keys(stand_in, "session_role"))
    with connect(stand_in, session) as probe:
        connections = IotConnections(client(stand_in, "iot-data", keys))
        found = connections.find(f"{session.identity_id}-tab")
        assert found is not None
        assert connections.end(found.client_id)
        probe.wait_for_end()


def test_a_narrowed_session_is_of_the_other_account_too(
    stand_in: StandIn, membership: Membership
) -> None:
    alice = Login(("red",), int(time.time()), user="alice")
    session = open_narrowed_session(alice, ["group/red/room"], membership, now_s=time.time())
    with connect(stand_in, session) as probe:
        assert probe.subscribe("prod/group/red/room")
        assert not probe.subscribe("prod/public/news")
