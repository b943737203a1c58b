"""AWS IoT's connections, by its HTTPS data plane.

Source: IoT API reference, GetConnection, ListSubscriptions, DeleteConnection (August 2025).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from bellwire.errors import TooMany, Upstream
from bellwire.identity_ports import LiveConnection

if TYPE_CHECKING:
    from mypy_boto3_iot_data import IoTDataPlaneClient

PAGE: Final = 200
"""Filters of one answer at most. Source: IoT API reference, ListSubscriptions, maxResults."""


class IotConnections:
    """A `Connections` on boto3's `iot-data`."""

    def __init__(self, client: "IoTDataPlaneClient") -> None:
        self._client = client

    def find(self, client_id: str) -> LiveConnection | None:
        """See `Connections.find`."""
        missing = self._client.exceptions.ResourceNotFoundException
        with _mapped_errors():
            try:
                found = self._client.get_connection(clientId=client_id)
                if not found.get("connected"):
                    return None
                filters = tuple(self._filters_of(client_id))
            except missing:
                return None
        return LiveConnection(client_id, found["connectedSince"], filters)

    def end(self, client_id: str) -> bool:
        """See `Connections.end`."""
        with _mapped_errors():
            try:
                self._client.delete_connection(clientId=client_id)
            except self._client.exceptions.ResourceNotFoundException:
                return False
        return True

    def _filters_of(self, client_id: str) -> Iterator[str]:
        more: dict[str, str] = {}
        while True:
            page = self._client.list_subscriptions(clientId=client_id, maxResults=PAGE, **more)
            yield from (one["topicFilter"] for one in page["subscriptions"])
            token = page.get("nextToken")
            if not token:
                return
            more = {"nextToken": token}


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code == "ThrottlingException":
            raise TooMany("AWS IoT looks after no more connections this second") from error
        raise Upstream(f"AWS IoT refused: {error}") from error
    except BotoCoreError as error:
        raise Upstream(f"AWS IoT could not be reached: {error}") from error
