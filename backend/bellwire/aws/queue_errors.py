"""Errors of the SDK about queues, functions and streams, as Bellwire's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from bellwire.errors import Upstream


@contextmanager
def mapped_errors(what: str) -> Iterator[None]:
    """Raise `Upstream` for whatever the SDK raises; `what` failed, e.g. `"sending a letter"`."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Upstream(f"{what} failed: {error}") from error
