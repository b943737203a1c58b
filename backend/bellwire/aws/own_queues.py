"""SQS queues as their owner uses them: send one message, count those that wait."""

from typing import Final

from bellwire.aws.own_calls import explained, own_client

_COUNTED: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def send_message(queue_url: str, region: str, body: str) -> str:
    """Send a message and return its id. Raises as `explained` does."""
    with explained("sqs:SendMessage", queue_url):
        sent = own_client("sqs", region).send_message(QueueUrl=queue_url, MessageBody=body)
    return str(sent["MessageId"])


def count_messages(queue_url: str, region: str) -> int:
    """Count the messages of a queue, those in flight included; about. Raises as `explained` does.

    Source: SQS API, GetQueueAttributes: the numbers are approximate for up to a minute.
    """
    with explained("sqs:GetQueueAttributes", queue_url):
        found = own_client("sqs", region).get_queue_attributes(
            QueueUrl=queue_url, AttributeNames=[*_COUNTED]
        )
    return sum(int(found["Attributes"].get(name, 0)) for name in _COUNTED)
