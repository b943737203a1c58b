"""Try rows over MQTT: connections, filters, publishes, and whether a message comes."""

import random
import secrets
import time
from collections.abc import Callable
from typing import Final

from bellwire.aws.presigning import presign_iot_url
from bellwire.doctor.findings import Verdict
from bellwire.doctor.mqtt_line import TOO_MANY, Line, Said, find_refused_upgrade
from bellwire.doctor.scene import Scene
from bellwire.doctor.truth_table import OWN_ID, WITHOUT_KEYS, Action, Who

TRIES: Final = 3
CONNECTS: Final = 8
ONE_CONNECT_S: Final = (1.0, 1.5)
"""AWS IoT Core quota: one CONNECT a second for each client id; and more, since several try."""
MARKED_WITHIN_S: Final = 3.0
MARKER: Final = "{stage}/public/doctor"
"""The topic of what is published last: everybody who listens may hear it."""

Publish = Callable[[str, bytes], Verdict]


def try_connect(scene: Scene, who: Who, client_id: str) -> Verdict:
    """Connect, and leave at once; of whoever has no good keys the upgrade alone is asked for."""
    if who in WITHOUT_KEYS:
        refused = find_refused_upgrade(_sign(scene, who))
        if refused is not None:
            return refused.verdict()
    line, said = _open(scene, who, client_id)
    line.close()
    return _verdict(said)


class ActorLine:
    """What one actor does on an MQTT connection, one thing after another.

    A connection that was lost, as by a publish that may not be, is opened anew.
    """

    def __init__(self, scene: Scene, who: Who, publish: Publish) -> None:
        """Open nothing yet.

        Args:
            publish: publishes by somebody who may.
        """
        self._scene = scene
        self._who = who
        self._publish = publish
        self._line: Line | None = None

    def judge(self, action: Action, target: str) -> Verdict:
        """Try one row, its target filled in."""
        line = self._line
        if line is None or not line.is_open:
            self.close()
            client_id = f"{self._scene.fill(OWN_ID[self._who], '')}-{secrets.token_hex(4)}"
            line, said = _open(self._scene, self._who, client_id)
            self._line = line
            if not line.is_open:
                return Verdict(is_allowed=None, said=f"could not connect: {_verdict(said).said}")
        if action is Action.SUBSCRIBE:
            return _verdict(line.subscribe(target))
        if action is Action.RECEIVE:
            return self._receive(line, target)
        is_retained = action is Action.RETAIN
        payload = b"" if is_retained else b"doctor"  # an empty one is kept by nobody
        return _verdict(line.publish(target, payload, is_retained=is_retained))

    def close(self) -> None:
        """Leave."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _receive(self, line: Line, topic: str) -> Verdict:
        """Have something published, and then a marker on a topic that is surely heard.

        That nothing came before the marker proves that nothing comes, without waiting for it.
        """
        marker_topic = self._scene.fill(MARKER, "")
        if topic != marker_topic:
            line.subscribe(topic)  # whether it may be is another row
        marked = line.subscribe(marker_topic) if line.is_open else None
        if marked is None or not _verdict(marked).is_allowed:
            return Verdict(is_allowed=None, said=f"cannot hear {marker_topic}")
        for _ in range(TRIES):
            payload, marker = (f"{kind} {secrets.token_hex(8)}".encode() for kind in ("row", "end"))
            for where, what in ((topic, payload), (marker_topic, marker)):
                published = self._publish(where, what)
                if not published.is_allowed:
                    return Verdict(is_allowed=None, said=f"not published: {published.said}")
            heard = _hear_until(line, marker)
            if heard is not None:
                has_come = payload in heard
                return Verdict(has_come, "received" if has_come else "nothing but the marker came")
        return Verdict(is_allowed=None, said=f"no marker came, {TRIES} times")


def _hear_until(line: Line, marker: bytes) -> list[bytes] | None:
    """Return what came before a marker; None if it never did."""
    heard: list[bytes] = []
    until_s = time.monotonic() + MARKED_WITHIN_S
    while (left_s := until_s - time.monotonic()) > 0:
        payload = line.next_payload(left_s)
        if payload == marker:
            return heard
        if payload is not None:
            heard.append(payload)
    return None


def _open(scene: Scene, who: Who, client_id: str) -> tuple[Line, Said | None]:
    """Connect, later if a client of that id has just done so."""
    for _ in range(CONNECTS):
        line = Line(_sign(scene, who), client_id)
        said = line.open()
        if said is None or said.code not in TOO_MANY:
            break
        line.close()
        time.sleep(random.uniform(*ONE_CONNECT_S))  # noqa: S311 - jitter
    return line, said


def _sign(scene: Scene, who: Who) -> str:
    keys, url = scene.actors[who].keys, scene.endpoints.mqtt
    return url if keys is None else presign_iot_url(url, scene.region, keys)


def _verdict(said: Said | None) -> Verdict:
    return Verdict(is_allowed=None, said="no answer") if said is None else said.verdict()
