"""Logs, directories and stores of presence to test against, with a clock that only tests move."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import Engine

from backend.cloud import Cloud, running_cloud
from backend.presence_doubles import World
from bellwire.aws.dynamodb_directory import DynamoDbDirectory, create_directory_table
from bellwire.aws.dynamodb_log import DynamoDbLog
from bellwire.aws.dynamodb_presence import DynamoDbPresence, create_presence_table
from bellwire.aws.dynamodb_tables import Tables, create_tables
from bellwire.fanout import PushableLog
from bellwire.identity_ports import Directory, PresenceStore
from bellwire.sql.directory import SqlDirectory
from bellwire.sql.engine import open_postgres, open_sqlite
from bellwire.sql.log import SqlLog
from bellwire.sql.presence import SqlPresence
from bellwire.sql.schema import metadata
from postgres import running_postgres

RETENTION_S = 3_600
ID_WINDOW_S = 600


@dataclass
class Clock:
    """A wall clock and a monotonic clock that move together, when told to."""

    now_ms: int = 1_795_417_463_828

    def advance(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)

    def wall_ms(self) -> int:
        return self.now_ms

    def monotonic_s(self) -> float:
        return self.now_ms / 1000


class OneCallAtATime:
    """A client whose calls are atomic, as DynamoDB's are and moto's, in threads, are not."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = Lock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found) or name == "exceptions":
            return found

        def call(**arguments: Any) -> Any:
            with self._lock:
                return found(**arguments)

        return call


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_sql_log(engine: Engine, clock: Clock) -> SqlLog:
    return SqlLog(
        engine,
        retention_ms=RETENTION_S * 1000,
        id_window_ms=ID_WINDOW_S * 1000,
        now_ms=clock.wall_ms,
        noise=os.urandom,
    )


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_sqlite(tmp_path / "log.db", busy_timeout_ms=500)
    yield engine
    engine.dispose()


@pytest.fixture
def sql_log(sqlite: Engine, clock: Clock) -> SqlLog:
    return make_sql_log(sqlite, clock)


@pytest.fixture
def make_dynamodb_log(clock: Clock) -> Callable[[Tables], DynamoDbLog]:
    """Another process's log on the same tables."""
    return lambda tables: DynamoDbLog(
        tables,
        retention_s=RETENTION_S,
        id_window_s=ID_WINDOW_S,
        now_ms=clock.wall_ms,
        monotonic_s=clock.monotonic_s,
        noise=os.urandom,
        sleep=lambda _: None,
    )


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of moto's DynamoDB, without tables."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield OneCallAtATime(boto3.client("dynamodb", region_name="us-east-1"))


@pytest.fixture
def dynamodb_log(make_dynamodb_log: Callable[[Tables], DynamoDbLog], dynamodb: Any) -> DynamoDbLog:
    return make_dynamodb_log(create_tables(dynamodb, "bellwire-log", "bellwire-keyed"))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """One server for all tests of a process."""
    with running_postgres() as url:
        yield url


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Engine]:
    engine = open_postgres(postgres_url, lock_timeout_ms=500)
    yield engine
    metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def postgres_log(postgres: Engine, clock: Clock) -> SqlLog:
    return make_sql_log(postgres, clock)


@pytest.fixture(params=["sqlite", "postgres", "dynamodb"])
def log(request: pytest.FixtureRequest) -> PushableLog:
    """Every implementation of the port, one after another."""
    name = {"sqlite": "sql_log", "postgres": "postgres_log", "dynamodb": "dynamodb_log"}[
        request.param
    ]
    found: PushableLog = request.getfixturevalue(name)
    return found


@pytest.fixture
def sqlite_presence(tmp_path: Path) -> Iterator[SqlPresence]:
    engine = open_sqlite(tmp_path / "log.db", busy_timeout_ms=500)
    yield SqlPresence(engine)
    engine.dispose()


@pytest.fixture
def postgres_presence(postgres_url: str) -> Iterator[SqlPresence]:
    engine = open_postgres(postgres_url, lock_timeout_ms=500)
    yield SqlPresence(engine)
    metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def dynamodb_presence(dynamodb: Any) -> DynamoDbPresence:
    create_presence_table(dynamodb, "bellwire-presence")
    return DynamoDbPresence(dynamodb, "bellwire-presence")


@pytest.fixture(params=["sqlite", "postgres", "dynamodb"])
def presences(request: pytest.FixtureRequest) -> PresenceStore:
    """Every store of presence, one after another."""
    found: PresenceStore = request.getfixturevalue(f"{request.param}_presence")
    return found


@pytest.fixture
def world(sqlite_presence: SqlPresence) -> World:
    return World(sqlite_presence)


@pytest.fixture(params=["sqlite", "postgres", "dynamodb"])
def directory(request: pytest.FixtureRequest) -> Directory:
    """Every directory, one after another."""
    store = request.getfixturevalue(request.param)
    if request.param != "dynamodb":
        return SqlDirectory(store)
    create_directory_table(store, "bellwire-people")
    return DynamoDbDirectory(store, "bellwire-people")


@pytest.fixture(scope="session")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def cloud(shared_cloud: Cloud) -> Iterator[Cloud]:
    """AWS's stand-in, shared by all tests of a process; a test's MQTT clients end with it."""
    yield shared_cloud
    shared_cloud.close_clients()
