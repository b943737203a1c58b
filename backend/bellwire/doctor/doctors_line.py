"""The doctor's own connection: over MQTT 5, which says why something is refused."""

import time
from collections.abc import Callable, Sequence

from bellwire.aws.presigning import presign_iot_url
from bellwire.doctor import causes
from bellwire.doctor.mqtt_line import FAILURE, TOO_MANY, Line, Said
from bellwire.errors import BellwireError, NotAllowed, TooMany, Upstream
from bellwire.opening import Joined
from bellwire.payloads import decode_payload
from bellwire.service_config import ServiceConfig
from bellwire.updates import Update


class DoctorsLine:
    """A connection to AWS IoT, or to its stand-in, and what is heard on it."""

    def __init__(
        self, service: ServiceConfig, joined: Joined, mark: str, *, is_guest: bool
    ) -> None:
        """Sign the URL; nothing is opened yet."""
        self.topics: Sequence[str] = ()
        self._service = service
        self._client_id = f"{joined.identity_id}-{mark}"
        self._is_guest = is_guest
        self._line = Line(
            presign_iot_url(service.iot_url, service.region, joined.credentials), self._client_id
        )

    def subscribe(self, topics: Sequence[str]) -> None:
        """Connect, and subscribe to topics.

        Raises:
            NotAllowed: a policy is missing, or the signature does not hold.
            TooMany: AWS is busy.
            Upstream: no answer came.
        """
        said = self._line.open()
        if not self._line.is_open or said is None:
            words = causes.of_no_connection(
                None if said is None else _words(said),
                self._service,
                self._client_id,
                is_upgrade=said is not None and said.packet == "upgrade",
                is_guest=self._is_guest,
            )
            raise _kind_of(said)(words)
        self.topics = topics
        for topic in topics:
            said = self._line.subscribe(topic)
            if said is None or said.code >= FAILURE:
                words = causes.of_no_subscription(
                    None if said is None else _words(said),
                    self._service,
                    topic,
                    is_guest=self._is_guest,
                )
                raise _kind_of(said)(words)

    def hears(self, is_it: Callable[[tuple[Update, ...]], bool], within_s: float) -> bool:
        """Tell whether certain updates come within some seconds.

        Raises:
            Upstream: the connection has ended.
        """
        until_s = time.monotonic() + within_s
        while (left_s := until_s - time.monotonic()) > 0:
            payload = self._line.next_payload(min(left_s, 0.5))
            if payload is not None and is_it(_updates_in(payload)):
                return True
            ended = self._line.wait_for_end(0.0)
            if ended is not None:
                raise Upstream(f"the connection ended: {_words(ended)}")
        return False

    def wait_for_end(self, within_s: float) -> bool:
        """Tell whether the connection ends within some seconds."""
        return self._line.wait_for_end(within_s) is not None

    def close(self) -> None:
        """Leave."""
        self._line.close()


def _kind_of(said: Said | None) -> type[BellwireError]:
    if said is None:
        return Upstream
    return TooMany if said.code in TOO_MANY else NotAllowed


def _words(said: Said) -> str:
    return said.verdict().said


def _updates_in(payload: bytes) -> tuple[Update, ...]:
    """Read an envelope; what walks through the truth table publishes is none."""
    try:
        return decode_payload(payload).updates
    except BellwireError:
        return ()
