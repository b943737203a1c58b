"""Redrive: called by whoever has mended what sent records to the dead letters."""

from typing import Final

from bellwire.errors import Malformed
from bellwire.replaying import Replays, replay_letters

DEFAULT_MOST: Final = 100
MAX_MOST: Final = 1_000


def handle_redrive(event: object, *, replays: Replays) -> dict[str, int]:
    """Take `{"max": 100}`, answer `{"replayed": 3, "failed": 1, "left": 1}`.

    `left` counts, about, what lies in the queues afterwards, what failed included.

    Raises:
        Malformed: `max` is not 1 to 1,000.
        Upstream: a queue cannot be reached; what was replayed before is done.
    """
    done = replay_letters(replays, _most_of(event))
    return {"replayed": done.replayed, "failed": done.failed, "left": done.left}


def _most_of(event: object) -> int:
    if not isinstance(event, dict):
        raise Malformed(f'expected {{"max": 100}}, found {str(event)[:80]!r}')
    most = event.get("max", DEFAULT_MOST)
    if type(most) is not int or not 1 <= most <= MAX_MOST:
        raise Malformed(f"expected max to be 1 to {MAX_MOST}, found {most!r:.80}")
    return most
