"""The broker's connections as boto3 finds and ends them, on the stand-in.

With the rights of `connections_role`, so that the document is held to be enough.
"""

import socket
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config

from backend.cloud import Cloud
from bellwire.aws.iot_connections import IotConnections
from bellwire.errors import Upstream
from bellwire.identity_ports import LiveConnection
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import running_in_thread
from infra.local.conftest import DEADLINE_S, Aws, Clock, account_of, render

NOBODY = "us-east-1:00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    roles = {name: render(name) for name in ("guest_role", "publisher_role", "connections_role")}
    settings = StandInSettings(
        tmp_path_factory.mktemp("stand_in"), accounts=account_of(roles), iot_port=0, aws_port=0
    )
    with running_in_thread(StandIn(settings)) as running:
        aws = Aws(running, Clock())
        yield aws
        aws.close_clients()


@pytest.fixture
def connections(aws: Aws) -> IotConnections:
    return IotConnections(aws.iot_data(aws.role("connections_role")))


def test_a_client_is_found_with_every_subscription(aws: Aws, connections: IotConnections) -> None:
    guest = aws.guest()
    client_id = f"{guest.identity_id}-tab"
    client = aws.connect(guest, client_id)
    filters = [f"dev/public/{n:02}" for n in range(48)]
    for start in range(0, len(filters), 8):
        client.subscribe(*filters[start : start + 8])
    found = connections.find(client_id)
    live = aws.running.call(lambda: aws.stand_in.broker.find_connection(client_id))
    assert live is not None
    assert found == LiveConnection(client_id, live.connected_at_ms, tuple(filters))


def test_whoever_is_not_connected_is_not_found(aws: Aws, connections: IotConnections) -> None:
    assert connections.find(NOBODY) is None
    guest = aws.guest()
    client = aws.connect(guest)
    client.close()
    client.disconnected.get(timeout=DEADLINE_S)
    aws.running.call(lambda: aws.stand_in.broker.disconnect(guest.identity_id))
    assert connections.find(guest.identity_id) is None


def test_one_that_leaves_between_two_questions_is_not_found(aws: Aws) -> None:
    guest = aws.guest()
    aws.connect(guest)
    client = aws.iot_data(aws.role("connections_role"))
    asked: list[str] = []

    def leave(**_: object) -> None:
        asked.append(guest.identity_id)
        aws.running.call(lambda: aws.stand_in.broker.disconnect(guest.identity_id))

    client.meta.events.register("before-call.iot-data-plane.ListSubscriptions", leave)
    assert IotConnections(client).find(guest.identity_id) is None
    assert asked == [guest.identity_id]


def test_a_connection_is_ended_once(aws: Aws, connections: IotConnections) -> None:
    guest = aws.guest()
    client = aws.connect(guest)
    assert connections.end(guest.identity_id)
    client.disconnected.get(timeout=DEADLINE_S)
    assert not connections.end(guest.identity_id)
    assert not connections.end(NOBODY)


def test_errors_are_upstream(aws: Aws, connections: IotConnections) -> None:
    unentitled = IotConnections(aws.iot_data(aws.role("publisher_role")))
    too_long = f"us-east-1:{'x' * 128}"
    for broken, client_id in ((unentitled, NOBODY), (connections, too_long)):
        with pytest.raises(Upstream, match="AWS IoT"):
            broken.find(client_id)
        with pytest.raises(Upstream, match="AWS IoT"):
            broken.end(client_id)


def test_a_broker_that_does_not_answer_is_upstream() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = boto3.client(
        "iot-data",
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}),
    )
    with pytest.raises(Upstream, match="could not be reached"):
        IotConnections(client).find(NOBODY)
    with pytest.raises(Upstream, match="could not be reached"):
        IotConnections(client).end(NOBODY)


@pytest.mark.parametrize("role", ["session_role", "publisher_role", "member_role", "guest_role"])
def test_only_those_who_may_look_after_connections(cloud: Cloud, role: str) -> None:
    guest = cloud.guest()
    cloud.connect(guest)
    connections = cloud.connections(role)
    with pytest.raises(Upstream, match="ForbiddenException"):
        connections.find(guest.identity_id)
    with pytest.raises(Upstream, match="ForbiddenException"):
        connections.end(guest.identity_id)
    assert cloud.connections().find(guest.identity_id) is not None


@pytest.mark.parametrize("client_id", ["job-1", "x", "eu-west-1:1", "us-east-2:1"])
def test_jobs_are_no_business_of_theirs(cloud: Cloud, client_id: str) -> None:
    with pytest.raises(Upstream, match="ForbiddenException"):
        cloud.connections().end(client_id)


def test_one_tab_is_ended_and_the_other_stays(cloud: Cloud) -> None:
    guest = cloud.guest()
    tabs = [cloud.connect(guest, f"{guest.identity_id}-{number}") for number in (1, 2)]
    assert cloud.connections().end(f"{guest.identity_id}-1")
    assert tabs[0].disconnected.get(timeout=DEADLINE_S)
    assert tabs[1].subscribe("dev/public/a") == [0]
    assert cloud.connections().find(guest.identity_id) is None
