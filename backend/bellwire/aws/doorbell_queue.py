"""The queue of doorbells that could not be answered yet, on Amazon SQS."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bellwire.aws.queue_errors import mapped_errors
from bellwire.letters import DeadLetter, encode_letter

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

DELAY_S: Final = 5
"""What a broker that stumbles may need. Ours."""


class SqsDoorbells:
    """A `Doorbells` on boto3's `sqs`; a message is a letter, and may end among the dead ones.

    Args:
        client: of SQS.
        queue_url: which queue.
        now_ms: the wall clock, in ms since 1970.
        delay_s: how long a doorbell waits for its first delivery, in s; up to 900.
    """

    def __init__(
        self,
        client: "SQSClient",
        queue_url: str,
        now_ms: Callable[[], int],
        *,
        delay_s: int = DELAY_S,
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._now_ms = now_ms
        self._delay_s = delay_s

    def ring_later(self, letter: DeadLetter) -> None:
        """See `Doorbells.ring_later`."""
        body = encode_letter(letter, self._now_ms())
        with mapped_errors("putting a doorbell aside"):
            self._client.send_message(
                QueueUrl=self._queue_url, MessageBody=body, DelaySeconds=self._delay_s
            )
