"""When a follower of channels polls: rules R5 to R7 of protocol §4 as a pure schedule.

What it does with an envelope or an answer is `receiving`'s; sockets and requests are `tailing`'s.
"""

from dataclasses import dataclass, replace
from typing import Final

GAP_HOLD_S: Final = 0.25
JITTER_S: Final = 0.25
RECHECKS_S: Final = (3.0, 8.0)
QUIET_S: Final = 20.0
MAX_AGE_S: Final = 1.0
MAX_BACKOFF_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to poll next, in s of any one clock; `rechecks` are those due after a subscription."""

    next_poll_at: float
    rechecks: tuple[float, ...] = ()
    backoff_s: float = MAX_AGE_S
    is_gap_open: bool = False


def after_subscription(now: float) -> Schedule:
    """Poll at once: an acknowledged subscription may begin to deliver some seconds later."""
    return Schedule(now, tuple(now + delay for delay in RECHECKS_S))


def after_envelope(
    schedule: Schedule,
    now: float,
    *,
    wants_catch_up: bool,
    luck: float,
    is_epoch_new: bool = False,
) -> Schedule:
    """Put the quiet check off, or poll soon if a number is missing.

    Args:
        schedule: what is due so far.
        now: of the same clock.
        wants_catch_up: whether a number is missing.
        luck: 0 … 1, so that clients that met the same gap do not ask together.
        is_epoch_new: another epoch's envelope is held. No envelope that is still on its way can
            close that gap, so it is not waited for: the first update of a channel is one of these.
    """
    if not wants_catch_up:
        return _quiet(replace(schedule, is_gap_open=False), now, luck)
    if schedule.is_gap_open:
        return schedule
    soon = now + (0.0 if is_epoch_new else GAP_HOLD_S) + JITTER_S * luck
    return replace(schedule, is_gap_open=True, next_poll_at=min(schedule.next_poll_at, soon))


def after_answer(schedule: Schedule, now: float, *, wants_catch_up: bool, luck: float) -> Schedule:
    """Ask again while something is missing, ever less often; else when it has been quiet."""
    if wants_catch_up:
        wait = schedule.backoff_s + 0.5 * luck
        backoff_s = min(schedule.backoff_s * 2, MAX_BACKOFF_S)
        return replace(schedule, next_poll_at=now + wait, backoff_s=backoff_s, is_gap_open=True)
    return _quiet(replace(schedule, backoff_s=MAX_AGE_S, is_gap_open=False), now, luck)


def _quiet(schedule: Schedule, now: float, luck: float) -> Schedule:
    rechecks = tuple(at for at in schedule.rechecks if at > now)
    quiet_at = now + QUIET_S * (0.75 + 0.5 * luck)
    return replace(schedule, rechecks=rechecks, next_poll_at=min(quiet_at, *rechecks, quiet_at))
