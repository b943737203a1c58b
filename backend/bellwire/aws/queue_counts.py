"""How many messages a queue of Amazon SQS holds, those in flight and delayed ones included."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

COUNTS: "Final[tuple[QueueAttributeNameType, ...]]" = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def total_of(attributes: "Mapping[QueueAttributeNameType, str]") -> int:
    """Sum up what GetQueueAttributes says of `COUNTS`; about, for up to a minute.

    Source: SQS API, GetQueueAttributes.
    """
    return sum(int(attributes[name]) for name in COUNTS)
