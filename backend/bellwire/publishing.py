"""The use case of every job: give updates their numbers, then fan them out.

Log first, push second: a publish is acknowledged when it is in the log.
"""

from collections.abc import Sequence

from bellwire.channels import check_publishable
from bellwire.errors import BellwireError, Conflict, Malformed, Upstream
from bellwire.fanout import FanOut
from bellwire.ports import Appends, Receipt
from bellwire.publications import Publication, Published, Result, encode_publication
from bellwire.updates import Draft, check_draft
from bellwire.wire_json import size_bytes

MAX_APPEND = 50  # what every log takes in one append
MAX_APPEND_BYTES = 1_048_576


def publish(publications: Sequence[Publication], *, log: Appends, fan_out: FanOut) -> list[Result]:
    """Publish in order; what cannot be published gets an error in its place.

    The order within a channel is kept: after a channel's first failure the rest of it is refused.
    Channels do not hold each other up.
    """
    results: dict[int, Result] = {}
    by_channel: dict[str, list[int]] = {}
    for at, publication in enumerate(publications):
        by_channel.setdefault(publication.channel, []).append(at)
    for channel, places in by_channel.items():
        results |= _publish_channel(channel, places, publications, log, fan_out)
    return [results[at] for at in range(len(publications))]


def check_publication(publication: Publication) -> Draft:
    """Return the draft of a publication if it can be published.

    Raises:
        Malformed, BadChannel, TooLarge: it cannot.
    """
    if isinstance(publication.draft, Malformed):
        raise publication.draft
    check_publishable(publication.channel)
    return check_draft(publication.draft)


def _publish_channel(
    channel: str,
    places: Sequence[int],
    publications: Sequence[Publication],
    log: Appends,
    fan_out: FanOut,
) -> dict[int, Result]:
    done: dict[int, Result] = {}
    drafts, failure = _check([publications[at] for at in places])
    waiting = list(places)
    for group in _groups(drafts):
        try:
            receipts = log.append(channel, group)
        except BellwireError as error:
            failure = error
            break
        fan_out.push(channel, group, receipts)
        for receipt in receipts:
            done[waiting.pop(0)] = _published(channel, receipt)
    for at in waiting:
        done[at] = failure or Conflict(f"an earlier update of {channel} failed")
        failure = _consequence(channel, done[at])
    return done


def _consequence(channel: str, cause: Result) -> BellwireError:
    """What the rest of a channel is told: that repeating helps, if it helps the cause."""
    kind = Upstream if isinstance(cause, Upstream) else Conflict
    return kind(f"not published: an earlier update of {channel} failed")


def _check(publications: Sequence[Publication]) -> tuple[list[Draft], BellwireError | None]:
    """Take the drafts up to the first that is refused, and why it is."""
    drafts: list[Draft] = []
    for publication in publications:
        try:
            drafts.append(check_publication(publication))
        except BellwireError as error:
            return drafts, error
    return drafts, None


def _groups(drafts: Sequence[Draft]) -> list[list[Draft]]:
    groups: list[list[Draft]] = []
    used = 0
    for draft in drafts:
        size = size_bytes(encode_publication("", draft))
        if not groups or len(groups[-1]) == MAX_APPEND or used + size > MAX_APPEND_BYTES:
            groups.append([])
            used = 0
        groups[-1].append(draft)
        used += size
    return groups


def _published(channel: str, receipt: Receipt) -> Published:
    return Published(channel, receipt.position.epoch, receipt.position.seq, receipt.is_duplicate)
