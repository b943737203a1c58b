"""A stand-in for unmodified client libraries, and Node to run those for pages."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.clients.nodes import NodeClient, running_node
from infra.local.endpoints import Endpoint, running_endpoint


@pytest.fixture(scope="module")
def shared_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with running_endpoint(tmp_path_factory.mktemp("stand_in")) as running:
        yield running


@pytest.fixture
def endpoint(shared_endpoint: Endpoint) -> Endpoint:
    """One stand-in for a module, a while after the test before: rates are counted anew."""
    shared_endpoint.pass_time(2)
    return shared_endpoint


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Callable[..., NodeClient]]:
    """Start scripts of this directory in Node; they end with the test."""
    with contextlib.ExitStack() as until_done:

        def start(script: str, settings: dict[str, object], **environment: str) -> NodeClient:
            return until_done.enter_context(running_node(script, settings, environment, tmp_path))

        yield start
