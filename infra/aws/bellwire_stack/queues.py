"""Queues, and the bus for events."""

from typing import Any, Final

from bellwire_stack.words import att, ref, sub

RULES: Final = ("EventsFunctionUpdates", "EventsFunctionHeartbeat")
"""As SAM names what it makes of a function's events."""

DAYS_14_S: Final = 1_209_600
MAX_RECEIVES: Final = 20
"""Messages that wait behind another of their group are received with it, and counted."""


def queue(
    name: str,
    *,
    visibility_s: int = 30,
    dead_letters: str | None = None,
    max_receives: int = MAX_RECEIVES,
    is_fifo: bool = False,
    keep_s: int = 345_600,
    max_bytes: int = 262_144,
) -> dict[str, Any]:
    """Return a queue that is encrypted with SQS's own keys.

    Args:
        name: what follows the stack's name.
        visibility_s: six times the timeout of the function that reads it. Source: Lambda guide,
            SQS event source.
        dead_letters: the queue for what was received too often.
        max_receives: how often that is.
        is_fifo: whether messages of a group come in order.
        keep_s: how long a message is kept.
        max_bytes: of a message.
    """
    properties: dict[str, Any] = {
        "QueueName": sub(f"${{AWS::StackName}}-{name}{'.fifo' if is_fifo else ''}"),
        "VisibilityTimeout": visibility_s,
        "MessageRetentionPeriod": keep_s,
        "MaximumMessageSize": max_bytes,
        "SqsManagedSseEnabled": True,
    }
    if is_fifo:
        properties |= {
            "FifoQueue": True,
            "ContentBasedDeduplication": True,
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        }
    if dead_letters is not None:
        properties["RedrivePolicy"] = {
            "deadLetterTargetArn": att(f"{dead_letters}.Arn"),
            "maxReceiveCount": max_receives,
        }
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def queues() -> dict[str, Any]:
    """Return the queues of jobs, of channels to push later, and of what could not be done."""
    return {
        "JobsQueue": queue("jobs", visibility_s=360, dead_letters="JobsDeadLettersQueue"),
        "JobsFifoQueue": queue(
            "jobs", visibility_s=360, dead_letters="JobsFifoDeadLettersQueue", is_fifo=True
        ),
        "JobsDeadLettersQueue": queue("jobs-dead-letters", keep_s=DAYS_14_S),
        "JobsFifoDeadLettersQueue": queue("jobs-dead-letters", keep_s=DAYS_14_S, is_fifo=True),
        "DoorbellsQueue": queue(
            "doorbells", visibility_s=360, dead_letters="DeadLettersQueue", max_receives=25
        ),
        "DeadLettersQueue": queue(
            "dead-letters", visibility_s=360, keep_s=DAYS_14_S, max_bytes=1_048_576
        ),
        "DeadLettersPolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [ref("DeadLettersQueue")],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "WhatEventBridgeCannotDeliver",
                            "Effect": "Allow",
                            "Principal": {"Service": "events.amazonaws.com"},
                            "Action": "sqs:SendMessage",
                            "Resource": att("DeadLettersQueue.Arn"),
                            "Condition": {
                                "ArnEquals": {"aws:SourceArn": [att(f"{one}.Arn") for one in RULES]}
                            },
                        }
                    ],
                },
            },
        },
        "EventBus": {
            "Type": "AWS::Events::EventBus",
            "Properties": {"Name": sub("${AWS::StackName}")},
        },
    }
