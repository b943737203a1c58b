"""How an attendance is kept as JSON, whatever the store; its key and revision stand beside it.

`{"visits": [{"session", "first", "last", "version", "connected", "ended", "missing",
"changes": {"public/door": [at_ms, is_on], …}}, …], "past": {session: last_ms, …},
"answer": {"asked", "connected", "channels": ["public/host", …]} | null, "confirmed": ms}`
"""

import json
from typing import Any

from bellwire.attendance import Answer, Attendance, Change, Visit
from bellwire.lifecycle import identity_of
from bellwire.wire_json import encode_json


def encode_attendance(attendance: Attendance) -> str:
    """Write what is known of a client."""
    answer = attendance.answer
    content = {
        "visits": [_encode_visit(visit) for visit in attendance.visits],
        "past": dict(attendance.past),
        "answer": None if answer is None else _encode_answer(answer),
        "confirmed": attendance.confirmed_at_ms,
    }
    return encode_json(content).decode()


def decode_attendance(client_id: str, text: str, revision: int) -> Attendance:
    """Read what `encode_attendance` has written of a client."""
    content = json.loads(text)
    answer = content["answer"]
    return Attendance(
        client_id=client_id,
        identity_id=identity_of(client_id) or "",
        visits=tuple(_decode_visit(visit) for visit in content["visits"]),
        past=content["past"],
        answer=None if answer is None else _decode_answer(answer),
        confirmed_at_ms=content["confirmed"],
        revision=revision,
    )


def _encode_visit(visit: Visit) -> dict[str, object]:
    return {
        "session": visit.session,
        "first": visit.first_ms,
        "last": visit.last_ms,
        "version": visit.version,
        "connected": visit.connected_ms,
        "ended": visit.has_ended,
        "missing": visit.missing_ms,
        "changes": {
            channel: [change.at_ms, change.is_on] for channel, change in visit.changes.items()
        },
    }


def _decode_visit(wire: dict[str, Any]) -> Visit:
    return Visit(
        session=wire["session"],
        first_ms=wire["first"],
        last_ms=wire["last"],
        version=wire["version"],
        connected_ms=wire["connected"],
        has_ended=wire["ended"],
        missing_ms=wire["missing"],
        changes={channel: Change(*change) for channel, change in wire["changes"].items()},
    )


def _encode_answer(answer: Answer) -> dict[str, object]:
    return {
        "asked": answer.asked_ms,
        "connected": answer.connected_ms,
        "channels": sorted(answer.channels),
    }


def _decode_answer(wire: dict[str, Any]) -> Answer:
    return Answer(wire["asked"], wire["connected"], frozenset(wire["channels"]))
