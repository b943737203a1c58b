"""The use case of whatever comes by queue, event, stream or direct call: updates, all or none.

Everything is checked before anything is published. Each update without an id gets one from the
record that carries it, so that a record that is delivered again publishes nothing twice.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bellwire.errors import BellwireError, Malformed, TooLarge
from bellwire.fanout import FanOut
from bellwire.ports import Appends
from bellwire.publications import (
    Publication,
    Published,
    Result,
    decode_publication,
    decode_publications,
)
from bellwire.publishing import check_publication, publish
from bellwire.wire_json import check_json, size_bytes

MAX_INTAKE_BYTES: Final = 1_048_576  # protocol §1, as one request of POST /v1/publish


def take_in(
    body: object, *, source_id: str | None, log: Appends, fan_out: FanOut
) -> list[Published]:
    """Publish `{"updates": [{"channel", "op", "key"?, "data"?, "id"?}, …]}` or one bare update.

    Called again with the same body and source it goes on from where it was.

    Args:
        body: parsed JSON.
        source_id: what is the same whenever the record comes again, e.g. the id of a message; an
            update without an id gets `SOURCE:INDEX`. None: such updates have no id.

    Raises:
        Malformed, BadChannel, TooLarge: an update cannot be published, whose index is named;
            nothing has been published.
        BellwireError: what could not be published, the rest is; retryable if any failure is.
    """
    publications = _with_ids(_read(body), source_id)
    for at, publication in enumerate(publications):
        _check(at, publication)
    return _all_published(publish(publications, log=log, fan_out=fan_out))


def _read(body: object) -> list[Publication]:
    check_json(body)
    size = size_bytes(body)
    if size > MAX_INTAKE_BYTES:
        raise TooLarge(f"expected updates of at most {MAX_INTAKE_BYTES} bytes, found {size}")
    if not isinstance(body, dict):
        raise Malformed(f'expected {{"updates": […]}} or an update, found {str(body)[:80]!r}')
    return decode_publications(body) if "updates" in body else [decode_publication(body)]


def _with_ids(publications: Sequence[Publication], source_id: str | None) -> list[Publication]:
    if source_id is None:
        return list(publications)
    return [
        one
        if isinstance(one.draft, Malformed) or one.draft.id is not None
        else Publication(one.channel, replace(one.draft, id=f"{source_id}:{at}"))
        for at, one in enumerate(publications)
    ]


def _check(at: int, publication: Publication) -> None:
    try:
        check_publication(publication)
    except BellwireError as error:
        raise type(error)(f"update {at}: {error.message}") from error


def _all_published(results: Sequence[Result]) -> list[Published]:
    failures = [result for result in results if isinstance(result, BellwireError)]
    for failure in sorted(failures, key=lambda failure: not failure.is_retryable):
        raise failure
    return [result for result in results if isinstance(result, Published)]
