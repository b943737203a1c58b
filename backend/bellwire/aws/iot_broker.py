"""AWS IoT Core as the broker, over its HTTPS data plane."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from bellwire.errors import Upstream

if TYPE_CHECKING:
    from mypy_boto3_iot_data import IoTDataPlaneClient


class IotBroker:
    """A `Broker` on boto3's `iot-data`.

    QoS 0: what is lost is found by its number, and a redelivery would cost another unit.
    """

    def __init__(self, client: "IoTDataPlaneClient") -> None:
        self._client = client

    def publish(self, topic: str, payload: bytes) -> None:
        """See `Broker.publish`."""
        try:
            self._client.publish(topic=topic, qos=0, payload=payload)
        except (ClientError, BotoCoreError) as error:
            raise Upstream(f"AWS IoT did not take a message for {topic}: {error}") from error
