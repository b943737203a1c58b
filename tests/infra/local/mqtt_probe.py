"""One MQTT 5 connection of a test: may it connect, subscribe, publish, and what does it hear?"""

import queue
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from signing import Keys, presign

DEADLINE_S = 10


class Probe:
    """paho on a signed URL; whatever ends the connection counts as a refusal."""

    def __init__(self, url: str, signer: tuple[str, str, str | None], client_id: str) -> None:
        self._answers: queue.Queue[bool] = queue.Queue()
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        signed = urlsplit(presign(url, Keys(*signer)))
        self._paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            transport="websockets",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self._paho.ws_set_options(path=f"{signed.path}?{signed.query}")
        # Without `self` in them: a cycle would leave paho's sockets to the garbage collector.
        answers, messages = self._answers, self.messages
        self._paho.on_connect = lambda *a: answers.put(not a[3].is_failure)
        self._paho.on_subscribe = lambda *a: answers.put(not a[3][0].is_failure)
        self._paho.on_message = lambda _c, _u, m: messages.put((m.topic, bytes(m.payload)))
        self._paho.on_disconnect = lambda *_: answers.put(False)  # noqa: FBT003 - the answer
        self._paho.connect(signed.hostname or "", signed.port or 80)
        self._paho.loop_start()
        self.is_connected = self._answers.get(timeout=DEADLINE_S)

    def subscribe(self, topic_filter: str) -> bool:
        """Subscribe; tell whether it was granted."""
        self._paho.subscribe(topic_filter)
        return self._answers.get(timeout=DEADLINE_S)

    def wait_for_end(self) -> None:
        """Wait until the connection has ended."""
        assert self._answers.get(timeout=DEADLINE_S) is False

    def __enter__(self) -> Self:
        """See `__exit__`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave."""
        self._paho.disconnect()
        self._paho.loop_stop()
