"""Queues of dead letters on Amazon SQS: where functions send them, and what redrive empties."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bellwire.aws.queue_counts import COUNTS, total_of
from bellwire.aws.queue_errors import mapped_errors
from bellwire.letters import DeadLetter, Message, encode_letter

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HELD_S: Final = 900  # AWS Lambda quota "function timeout": nobody empties a queue for longer


class SqsDeadLetters:
    """A `DeadLetters` on boto3's `sqs`; `now_ms` is the wall clock, in ms since 1970."""

    def __init__(self, client: "SQSClient", queue_url: str, now_ms: Callable[[], int]) -> None:
        self._client = client
        self._queue_url = queue_url
        self._now_ms = now_ms

    def send(self, letter: DeadLetter) -> None:
        """See `DeadLetters.send`."""
        body = encode_letter(letter, self._now_ms())
        with mapped_errors("sending a dead letter"):
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)


class SqsLetterBox:
    """A `LetterBox` on boto3's `sqs`, standard or FIFO.

    Args:
        client: of SQS.
        queue_url: which queue.
        held_s: for how long nobody else gets what has been received, in s.
        wait_s: how long a receive waits for messages, in s; with 0 it may overlook some.
    """

    def __init__(
        self, client: "SQSClient", queue_url: str, *, held_s: int = HELD_S, wait_s: int = 1
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._held_s = held_s
        self._wait_s = wait_s

    def receive(self, most: int) -> list[Message]:
        """See `LetterBox.receive`."""
        with mapped_errors("receiving dead letters"):
            found = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=most,
                VisibilityTimeout=self._held_s,
                WaitTimeSeconds=self._wait_s,
                MessageSystemAttributeNames=["All"],
            )
        return [
            Message(
                id=message["MessageId"],
                body=message["Body"],
                receipt=message["ReceiptHandle"],
                attributes={str(name): value for name, value in message["Attributes"].items()},
            )
            for message in found.get("Messages", [])
        ]

    def delete(self, message: Message) -> None:
        """See `LetterBox.delete`."""
        with mapped_errors("deleting a dead letter"):
            self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message.receipt)

    def release(self, message: Message) -> None:
        """See `LetterBox.release`."""
        with mapped_errors("releasing a dead letter"):
            self._client.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=message.receipt, VisibilityTimeout=0
            )

    def count(self) -> int:
        """See `LetterBox.count`."""
        with mapped_errors("counting dead letters"):
            found = self._client.get_queue_attributes(
                QueueUrl=self._queue_url, AttributeNames=list(COUNTS)
            )
        return total_of(found["Attributes"])
