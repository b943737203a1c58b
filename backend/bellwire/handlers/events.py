"""Updates from EventBridge: events of a bus, and schedules. Lambda is called asynchronously."""

from bellwire.fanout import FanOut
from bellwire.handlers.records import LastResort, attempt, first_request_id, replay_of
from bellwire.intake import take_in
from bellwire.ports import Appends


def handle_events(
    event: object, *, request_id: str, log: Appends, fan_out: FanOut, last_resort: LastResort
) -> None:
    """Publish the `detail` of an event, `{"updates": […]}` or one update.

    Ids are the event's and the index of the update. An event without `detail` is what a rule or a
    schedule gives as constant input: it carries the updates itself, and their ids are those of the
    call, which Lambda repeats under the same `request_id`.

    Raises:
        BellwireError: it may succeed later: Lambda calls twice more, then its destination for
            failures is sent the event.
    """
    source_id, body = _read(event, request_id)
    attempt(
        lambda: take_in(body, source_id=source_id, log=log, fan_out=fan_out),
        {"id": source_id, "detail": body},
        last_resort,
        is_replay=replay_of(event) is not None,
    )


def _read(event: object, request_id: str) -> tuple[str, object]:
    match event:
        case {"detail": body, "id": str(event_id)}:
            return event_id, body
        case {"detail": body}:
            return first_request_id(event, request_id), body
        case _:
            return first_request_id(event, request_id), event
