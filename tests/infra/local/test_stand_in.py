"""The stand-in as a whole: starting, failing to start, stopping, starting again."""

import json
import logging
import logging.handlers
import queue
import socket
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from bellwire_local.accounts import PoolSettings
from bellwire_local.clocks import Clocks
from bellwire_local.errors import (
    DataDirectoryUnusable,
    PolicyRefused,
    PortInUse,
    PortUnusable,
)
from bellwire_local.iam.policies import PolicyDocument
from bellwire_local.iot.messages import Message
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import running_in_thread
from infra.local.conftest import account_of

if TYPE_CHECKING:
    from infra.local.conftest import Aws


@pytest.fixture
def settings(tmp_path: Path, roles: dict[str, PolicyDocument]) -> StandInSettings:
    return StandInSettings(data_dir=tmp_path, accounts=account_of(roles), iot_port=0, aws_port=0)


def _enter(stand_in: StandIn) -> None:
    with running_in_thread(stand_in):
        pass


def test_a_guest_and_a_job_survive_a_restart(settings: StandInSettings, running_aws: "Aws") -> None:
    make_client = type(running_aws)
    with running_in_thread(StandIn(settings)) as running:
        first = make_client(running, running_aws.clock)
        guest, job, pool_id = (
            first.guest(),
            first.role("publisher_role"),
            running.stand_in.identity_pool_id,
        )
    with running_in_thread(StandIn(settings)) as running:
        second = make_client(running, running_aws.clock)
        assert running.stand_in.identity_pool_id == pool_id
        assert second.role("publisher_role") == job
        answer = second.cognito().get_credentials_for_identity(IdentityId=guest.identity_id)
        assert answer["IdentityId"] == guest.identity_id
        listener = second.connect(guest)
        assert listener.subscribe("dev/public/x") == [0]
        second.close_clients()


def test_ports_are_free_and_clients_gone_after_stop(
    settings: StandInSettings, running_aws: "Aws", caplog: pytest.LogCaptureFixture
) -> None:
    with running_in_thread(StandIn(settings)) as running:
        aws = type(running_aws)(running, running_aws.clock)
        listener = aws.connect(aws.guest())
        half_open = socket.create_connection(aws.iot_address, timeout=10)
        half_open.sendall(b"GET /mqtt")
        ports = [urlsplit(url).port for url in (running.stand_in.iot_url, running.stand_in.aws_url)]
    listener.disconnected.get(timeout=10)
    aws.close_clients()
    half_open.close()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    _enter(StandIn(replace(settings, iot_port=ports[0] or 0, aws_port=ports[1] or 0)))


def test_storage_that_is_locked_ends_neither_expiry_nor_the_stop(
    settings: StandInSettings, running_aws: "Aws"
) -> None:
    clock = type(running_aws.clock)()
    logged: queue.Queue[logging.LogRecord] = queue.Queue()
    handler = logging.handlers.QueueHandler(logged)
    logging.getLogger("bellwire_local.stand_in").addHandler(handler)
    other = sqlite3.connect(settings.data_dir / "stand_in.db", isolation_level=None)
    stand_in = StandIn(settings, Clocks(clock.wall_s, clock.monotonic_s))
    message = Message("a", b"x", retain=True, expires_at_s=clock.wall_s() + 100)
    with running_in_thread(stand_in) as running:
        running.call(lambda: stand_in.broker.publish(message))
        other.execute("BEGIN IMMEDIATE")
        clock.ahead_s = 200
        for _ in range(2):
            assert "database is locked" in logged.get(timeout=10).getMessage()
    other.close()
    logging.getLogger("bellwire_local.stand_in").removeHandler(handler)


@pytest.mark.parametrize("which", ["iot_port", "aws_port"])
def test_a_port_in_use_is_named(settings: StandInSettings, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port} on 127.0.0.1 is in use"):
            _enter(StandIn(replace(settings, **{which: port})))


def test_a_host_that_is_not_ours_is_named(settings: StandInSettings) -> None:
    with pytest.raises(PortUnusable, match=r"192\.0\.2\.1"):
        _enter(StandIn(replace(settings, host="192.0.2.1")))


def test_an_unusable_data_directory_is_named(settings: StandInSettings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryUnusable, match="file"):
        StandIn(replace(settings, data_dir=tmp_path / "file"))


def test_a_policy_that_cannot_be_enforced_keeps_it_from_starting(
    settings: StandInSettings,
) -> None:
    with pytest.raises(PolicyRefused, match="guest_role"):
        StandIn(
            replace(
                settings, accounts=account_of({"guest_role": {"Version": "2012-10-17", "X": 1}})
            )
        )


def test_credentials_of_an_unknown_role(settings: StandInSettings) -> None:
    with pytest.raises(ValueError, match="no role 'x'; there are: guest_role, operator_role"):
        StandIn(settings).credentials_for("x", "job")


def test_guests_can_be_switched_off(settings: StandInSettings, running_aws: "Aws") -> None:
    with running_in_thread(
        StandIn(replace(settings, pool=PoolSettings(unauthenticated_role=None)))
    ) as running:
        aws = type(running_aws)(running, running_aws.clock)
        target = {"X-Amz-Target": "AWSCognitoIdentityService.GetId"}
        body = json.dumps({"IdentityPoolId": running.stand_in.identity_pool_id}).encode()
        answer = aws.request("POST", "/", target, body)
    assert answer.status == 400
    assert json.loads(answer.body) == {
        "__type": "NotAuthorizedException",
        "message": "Unauthenticated access is not supported for this identity pool.",
    }
