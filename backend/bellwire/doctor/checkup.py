"""Follow one update from end to end: published, pushed to a subscriber, and polled."""

import secrets
import time
from collections.abc import Callable
from queue import Empty, Queue
from typing import Final

from bellwire.answers import decode_answer
from bellwire.aws.presigning import presign_iot_url
from bellwire.channels import topic_of
from bellwire.config import Target
from bellwire.errors import BellwireError, Upstream
from bellwire.guest_identities import RememberedGuests
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.mqtt_socket import Closed, Message, MqttSocket, SocketEvent, Subscribed
from bellwire.payloads import decode_payload
from bellwire.proofs import proof_for
from bellwire.publisher import HttpOutlet, Publisher
from bellwire.service_config import ServiceConfig, read_service_config
from bellwire.updates import Update

CHANNEL: Final = "public/doctor"
WITHIN_S: Final = 10.0
PUBLISH_AGAIN_S: Final = 3.0
"""AWS may begin to deliver some seconds after the SUBACK; what was published before is lost."""

Step = Callable[[], str]


class Checkup:
    """The steps in their order; each returns what it found in words."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._calls = HttpCalls(target.url)
        self._joining = Joining(self._calls, target.login, RememberedGuests())
        self._events: Queue[SocketEvent] = Queue()
        self._sockets: list[MqttSocket] = []
        self._mark = secrets.token_hex(8)
        self._published_at_s = 0.0
        self._service = ServiceConfig("", "", "", "")

    def steps(self) -> list[tuple[str, Step]]:
        """Return names and steps. Each raises `BellwireError` when it fails; the rest is moot."""
        return [
            ("config", self._read_config),
            ("session", self._open_session),
            ("credentials", self._check_credentials),
            ("subscribe", self._subscribe),
            ("publish", self._publish),
            ("received", self._receive),
            ("polled", self._poll),
        ]

    def close(self) -> None:
        """Leave."""
        for socket in self._sockets:
            socket.close()

    def _read_config(self) -> str:
        self._service = read_service_config(self._calls)
        return f"stage {self._service.stage} in {self._service.region}, {self._service.iot_url}"

    def _open_session(self) -> str:
        who = "a guest" if self._joining.is_guest else "a member"
        return f"{who}, {self._joining.session(self._service).identity_id}"

    def _check_credentials(self) -> str:
        left_s = self._joining.session(self._service).credentials.expires_at_ms / 1000 - time.time()
        if left_s <= 0:
            raise Upstream(f"the credentials ended {-left_s:.0f} s ago: is a clock wrong?")
        return f"for {left_s / 60:.0f} minutes"

    def _subscribe(self) -> str:
        joined, topic = self._joining.session(self._service), topic_of(self._service.stage, CHANNEL)
        url = presign_iot_url(self._service.iot_url, self._service.region, joined.credentials)
        client_id = f"{joined.identity_id}-{self._mark}"
        self._sockets.append(MqttSocket(url, client_id, [topic], self._events.put))
        event = self._next(time.monotonic() + WITHIN_S)
        if not isinstance(event, Subscribed):
            raise Upstream(event.reason if isinstance(event, Closed) else "no answer came")
        return topic

    def _publish(self) -> str:
        self._published_at_s = time.monotonic()
        outlet = HttpOutlet(self._target.url, proof_for(self._target))
        place = Publisher(outlet).event(CHANNEL, {"doctor": self._mark})
        return f"{CHANNEL} {place.epoch} {place.seq}"

    def _receive(self) -> str:
        until_s = time.monotonic() + WITHIN_S
        while time.monotonic() < until_s:
            if self._hears(time.monotonic() + PUBLISH_AGAIN_S):
                return f"after {(time.monotonic() - self._published_at_s) * 1000:.0f} ms"
            self._publish()
        raise Upstream(f"nothing came within {WITHIN_S:.0f} s")

    def _hears(self, until_s: float) -> bool:
        while (event := self._next(until_s)) is not None:
            if isinstance(event, Closed):
                raise Upstream(event.reason)
            if isinstance(event, Message) and self._is_in(_updates_in(event.payload)):
                return True
        return False

    def _poll(self) -> str:
        query = {"channels": CHANNEL, "rewind": "10"}
        answer = decode_answer(self._calls.get("/v1/updates", query))
        found = answer.channels.get(CHANNEL)
        if found is None or not self._is_in(found.updates):
            raise Upstream(f"what was published is not among the newest updates of {CHANNEL}")
        return f"{CHANNEL} {found.epoch} {found.last}"

    def _is_in(self, updates: tuple[Update, ...]) -> bool:
        return any(update.data == {"doctor": self._mark} for update in updates)

    def _next(self, until_s: float) -> SocketEvent | None:
        try:
            return self._events.get(timeout=max(0.0, until_s - time.monotonic()))
        except Empty:
            return None


def _updates_in(payload: bytes) -> tuple[Update, ...]:
    """Read an envelope; what walks through the truth table publishes is none."""
    try:
        return decode_payload(payload).updates
    except BellwireError:
        return ()
