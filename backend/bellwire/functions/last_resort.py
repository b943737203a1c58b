"""Where a function puts what it can never do: the stack's dead letters, counted."""

import os
from functools import cache

from bellwire.aws.dead_letters import SqsDeadLetters
from bellwire.functions.clients import client
from bellwire.functions.deployment import now_ms
from bellwire.functions.observing import count
from bellwire.functions.settings import settings
from bellwire.handlers.records import LastResort
from bellwire.letters import DeadLetter, DeadLetters


@cache
def last_resort() -> LastResort:
    """Return the one of this function."""
    queue_url = settings().dead_letters_queue
    return LastResort(
        os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        _Counted(SqsDeadLetters(client("sqs"), queue_url, now_ms)),
    )


class _Counted:
    def __init__(self, inner: DeadLetters) -> None:
        self._inner = inner

    def send(self, letter: DeadLetter) -> None:
        """See `DeadLetters.send`."""
        self._inner.send(letter)
        count("GivenUp")
