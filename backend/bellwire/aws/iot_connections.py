"""AWS IoT Core's connections, over its HTTPS data plane.

The operations are younger than some copies of boto3: a Lambda function brings its own.
Source: https://docs.aws.amazon.com/iot/latest/apireference/API_Operations_AWS_IoT_Data_Plane.html
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from bellwire.errors import Upstream
from bellwire.identity_ports import LiveConnection

if TYPE_CHECKING:
    from mypy_boto3_iot_data import IoTDataPlaneClient

SUBSCRIPTIONS_PER_PAGE: Final = 200
"""The most that ListSubscriptions gives at once."""


class IotConnections:
    """A `Connections` on boto3's `iot-data`."""

    def __init__(self, client: "IoTDataPlaneClient") -> None:
        self._client = client

    def find(self, client_id: str) -> LiveConnection | None:
        """See `Connections.find`."""
        with _mapped_errors(client_id):
            try:
                found = self._client.get_connection(clientId=client_id)
                if not found["connected"]:
                    return None
                filters = tuple(self._filters(client_id))
            except self._client.exceptions.ResourceNotFoundException:
                return None
            return LiveConnection(client_id, found["connectedSince"], filters)

    def end(self, client_id: str) -> bool:
        """See `Connections.end`."""
        with _mapped_errors(client_id):
            try:
                self._client.delete_connection(clientId=client_id)
            except self._client.exceptions.ResourceNotFoundException:
                return False
            return True

    def _filters(self, client_id: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_subscriptions").paginate(
            clientId=client_id, PaginationConfig={"PageSize": SUBSCRIPTIONS_PER_PAGE}
        )
        for page in pages:
            for subscription in page["subscriptions"]:
                yield subscription["topicFilter"]


@contextmanager
def _mapped_errors(client_id: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise Upstream(f"AWS IoT refused to look after {client_id}: {error}") from error
    except BotoCoreError as error:
        raise Upstream(f"AWS IoT could not be reached about {client_id}: {error}") from error
