"""SQS queues as their owner uses them: send one message, count those that wait."""

from bellwire.aws.own_calls import explained, own_client
from bellwire.aws.queue_counts import COUNTS, total_of


def send_message(queue_url: str, region: str, body: str) -> str:
    """Send a message and return its id. Raises as `explained` does."""
    with explained("sqs:SendMessage", queue_url):
        sent = own_client("sqs", region).send_message(QueueUrl=queue_url, MessageBody=body)
    return str(sent["MessageId"])


def count_messages(queue_url: str, region: str) -> int:
    """Count the messages of a queue, about. Raises as `explained` does."""
    with explained("sqs:GetQueueAttributes", queue_url):
        found = own_client("sqs", region).get_queue_attributes(
            QueueUrl=queue_url, AttributeNames=[*COUNTS]
        )
    return total_of(found["Attributes"])
