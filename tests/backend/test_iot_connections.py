"""The broker's connections as boto3 finds and ends them, on the stand-in.

With the rights of `connections_role`, so that the document is held to be enough.
"""

import socket
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config

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
