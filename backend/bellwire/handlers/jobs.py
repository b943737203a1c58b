"""Updates from a queue, standard or FIFO, with a partial answer for what has to come again.

In a FIFO queue the sender gives each message the channel as its group: what fails holds up its own
group and no other. A message may name several channels all the same; it keeps the order of its
group alone.
"""

import logging
from typing import Any

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from bellwire.errors import Malformed
from bellwire.fanout import FanOut
from bellwire.handlers.records import (
    LastResort,
    Record,
    attempt,
    records_of,
    replay_of,
)
from bellwire.intake import take_in
from bellwire.ports import Appends
from bellwire.wire_json import decode_json

logger = logging.getLogger(__name__)


def handle_jobs(
    event: object, *, log: Appends, fan_out: FanOut, last_resort: LastResort
) -> PartialItemFailureResponse:
    """Publish what each message carries, `{"updates": […]}` or one update.

    Its id is that of the message and the index of the update. What can never be published goes to
    the dead letters; of what may succeed later the message is reported, and with it the later ones
    of its group.

    Raises:
        Malformed: it is no batch of messages; nothing has been published.
    """
    is_replay = replay_of(event) is not None

    def publish_one(record: SQSRecord) -> None:
        message = record.raw_event
        attempt(
            lambda: take_in(
                decode_json(message["body"]),
                source_id=message["messageId"],
                log=log,
                fan_out=fan_out,
            ),
            {"Records": [message]},
            last_resort,
            is_replay=is_replay,
        )

    processor = SqsFifoPartialProcessor(skip_group_on_error=True, logger=logger)
    processor.raise_on_entire_batch_failure = False  # it is an answer as any other
    messages = [_checked(record) for record in records_of(event)]
    with processor(messages, publish_one):
        processor.process()
    return processor.response()


def _checked(record: Record) -> dict[str, Any]:
    attributes = record.get("attributes", {})
    match record:
        case {"messageId": str(), "body": str()} if isinstance(attributes, dict):
            if isinstance(attributes.get("MessageGroupId"), str | None):
                return dict(record)
    raise Malformed(f"expected a message of SQS, found {str(record)[:80]!r}")
