"""Merge a run of updates into the fewest that still tell the truth.

Per key the newest `set` or `delete` survives under its own number; every event survives
(protocol §3). What is merged must be consecutive and of one epoch.
"""

from collections.abc import Iterable

from bellwire.updates import Update


def conflate(updates: Iterable[Update]) -> tuple[Update, ...]:
    """Drop every `set` and `delete` whose key is written again later in the run.

    The last update of a run always survives, so the run still ends at its own number.
    """
    run = tuple(updates)
    newest = {update.key: update.seq for update in run if update.key is not None}
    return tuple(u for u in run if u.key is None or newest[u.key] == u.seq)
