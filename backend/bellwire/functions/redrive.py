"""Does again what lies in the dead letters."""

from dataclasses import replace
from functools import cache
from typing import Any, Final

from bellwire.aws.dead_letters import SqsLetterBox
from bellwire.aws.redriving import AwsStreams, LambdaFunctions
from bellwire.functions.clients import client
from bellwire.functions.deployment import now_ms
from bellwire.functions.observing import observed
from bellwire.functions.settings import settings
from bellwire.handlers.redrive import handle_redrive
from bellwire.letters import Addressees
from bellwire.replaying import Replays

MARGIN_MS: Final = 65_000
"""What the longest of the functions that are called may take, and a little more."""

REPLAYABLE: Final = ("jobs", "events", "changes", "doorbells", "lifecycle", "invoke")


@observed
def handler(event: Any, context: Any) -> Any:
    """Replay up to `{"max": 100}` letters; answer how many were done, failed and are left."""
    replays = replace(
        _replays(), has_time=lambda: context.get_remaining_time_in_millis() > MARGIN_MS
    )
    return handle_redrive(event, replays=replays)


@cache
def _replays() -> Replays:
    told, sqs = settings(), client("sqs")
    urls = (told.dead_letters_queue, *told.jobs_dead_letters_queues.split(","))
    return Replays(
        boxes=[SqsLetterBox(sqs, url) for url in urls if url],
        functions=LambdaFunctions(client("lambda", attempts=1, read_timeout_s=65)),
        streams=AwsStreams(client("dynamodbstreams"), client("kinesis")),
        addressees=Addressees(
            *(f"{told.stack}-{name}" for name in ("jobs", "events", "lifecycle"))
        ),
        replayable=frozenset(f"{told.stack}-{name}" for name in REPLAYABLE),
        now_ms=now_ms,
    )
