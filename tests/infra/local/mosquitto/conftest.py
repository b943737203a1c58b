"""The stand-in and Mosquitto, and a way to open connections to each."""

from collections.abc import Iterator

import pytest

from infra.local.endpoints import Endpoint, running_endpoint
from infra.local.mosquitto.wire import Open, opening
from mosquitto import running_mosquitto


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with running_endpoint(tmp_path_factory.mktemp("stand_in")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def mosquitto_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield f"ws://127.0.0.1:{broker.websocket_port}/mqtt"


@pytest.fixture
def ours(stand_in: Endpoint) -> Iterator[Open]:
    with opening(stand_in.presigned()) as open_one:
        yield open_one


@pytest.fixture
def theirs(mosquitto_url: str) -> Iterator[Open]:
    with opening(mosquitto_url) as open_one:
        yield open_one
