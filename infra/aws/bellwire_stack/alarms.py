"""What is watched: alarms to a topic, and one dashboard."""

import json
from typing import Any, Final

from bellwire_stack.functions import Function
from bellwire_stack.words import Tagged, att, ref, sub

MINUTE_S: Final = 60
RARELY_CALLED: Final = ("presence", "people", "invoke", "redrive")
NEAR: Final = 0.8
"""Of a timeout: a function that takes so long is about to be cut off."""


def alarms(functions: list[Function]) -> dict[str, Any]:
    """Return the topic, alarms of each function, of queues and of pushing, and the dashboard."""
    made: dict[str, Any] = {
        "AlarmTopic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {"TopicName": sub("${AWS::StackName}-alarms")},
        },
        "AlarmMail": {
            "Condition": "HasAlarmEmail",
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": ref("AlarmTopic"),
                "Protocol": "email",
                "Endpoint": ref("AlarmEmail"),
            },
        },
    }
    for function in functions:
        made |= _of_function(function)
    for name in (
        "DeadLettersQueue",
        "JobsDeadLettersQueue",
        "JobsFifoDeadLettersQueue",
    ):
        made[f"{name}Alarm"] = _alarm(
            "Something could not be done and waits to be looked at",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": att(f"{name}.QueueName")},
            "Maximum",
            0,
        )
    for title, queue in (("Jobs", "JobsQueue"), ("JobsFifo", "JobsFifoQueue")):
        made[f"{title}WaitAlarm"] = _alarm(
            "Jobs wait for more than five minutes",
            "AWS/SQS",
            "ApproximateAgeOfOldestMessage",
            {"QueueName": att(f"{queue}.QueueName")},
            "Maximum",
            300,
        )
    made["DoorbellsWaitAlarm"] = _alarm(
        "A channel could not be pushed for ten minutes",
        "AWS/SQS",
        "ApproximateAgeOfOldestMessage",
        {"QueueName": att("DoorbellsQueue.QueueName")},
        "Maximum",
        600,
    )
    made["ApiFailedAlarm"] = _alarm(
        "The API answers with faults of its own or of what is behind it",
        "AWS/ApiGateway",
        "5xx",
        {"ApiId": ref("HttpApi")},
        "Sum",
        5,
    )
    made["PushFailedAlarm"] = _alarm(
        "AWS IoT does not take messages: clients poll what they miss",
        "Bellwire",
        "PushFailed",
        {"service": sub("${AWS::StackName}-doorbells")},
        "Sum",
        10,
    )
    made["Dashboard"] = _dashboard(functions)
    return made


def _of_function(function: Function) -> dict[str, Any]:
    title, dimensions = function.name.title(), {"FunctionName": ref(function.logical_id)}
    near_ms = int(function.timeout_s * 1000 * NEAR)
    made = {
        f"{title}ErrorsAlarm": _alarm(
            f"{function.does}: calls end with an error",
            "AWS/Lambda",
            "Errors",
            dimensions,
            "Sum",
            0,
            is_rare=function.name in RARELY_CALLED,
        ),
        f"{title}ThrottlesAlarm": _alarm(
            f"{function.does}: too many calls at once",
            "AWS/Lambda",
            "Throttles",
            dimensions,
            "Sum",
            0,
        ),
        f"{title}DurationAlarm": _alarm(
            f"{function.does}: takes nearly as long as it may",
            "AWS/Lambda",
            "Duration",
            dimensions,
            "Maximum",
            near_ms,
        ),
    }
    if any(event["Type"] == "DynamoDB" for event in function.events.values()):
        made[f"{title}AgeAlarm"] = _alarm(
            f"{function.does}: more than a minute behind its stream",
            "AWS/Lambda",
            "IteratorAge",
            dimensions,
            "Maximum",
            60_000,
        )
    if function.condition is not None:
        made = {name: {"Condition": function.condition, **one} for name, one in made.items()}
    return made


def _alarm(
    why: str,
    namespace: str,
    metric: str,
    dimensions: dict[str, Any],
    statistic: str,
    above: int,
    *,
    is_rare: bool = False,
) -> dict[str, Any]:
    """Rise when two of three minutes are above; what happens rarely has one minute."""
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": why,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Statistic": statistic,
            "Period": MINUTE_S,
            "EvaluationPeriods": 1 if is_rare else 3,
            "DatapointsToAlarm": 1 if is_rare else 2,
            "Threshold": above,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [ref("AlarmTopic")],
            "OKActions": [ref("AlarmTopic")],
        },
    }


def _dashboard(functions: list[Function]) -> dict[str, Any]:
    named = [f"${{AWS::StackName}}-{one.name}" for one in functions if one.condition is None]
    queues = ("jobs", "jobs.fifo", "doorbells", "dead-letters")
    rows: list[tuple[str, list[list[Any]], str]] = [
        ("Calls", [["AWS/Lambda", "Invocations", "FunctionName", one] for one in named], "Sum"),
        ("Errors", [["AWS/Lambda", "Errors", "FunctionName", one] for one in named], "Sum"),
        ("Duration, ms", [["AWS/Lambda", "Duration", "FunctionName", one] for one in named], "p99"),
        (
            "Behind the stream, ms",
            [["AWS/Lambda", "IteratorAge", "FunctionName", "${AWS::StackName}-doorbells"]],
            "Maximum",
        ),
        (
            "Waiting in queues",
            [
                [
                    "AWS/SQS",
                    "ApproximateNumberOfMessagesVisible",
                    "QueueName",
                    f"${{AWS::StackName}}-{one}",
                ]
                for one in queues
            ],
            "Maximum",
        ),
        ("Answers 5xx", [["AWS/ApiGateway", "5xx", "ApiId", "${HttpApi}"]], "Sum"),
        (
            "Pushes that failed",
            [["Bellwire", "PushFailed", "service", "${AWS::StackName}-doorbells"]],
            "Sum",
        ),
    ]
    widgets = [
        {
            "type": "metric",
            "x": 12 * (at % 2),
            "y": 6 * (at // 2),
            "width": 12,
            "height": 6,
            "properties": {
                "title": title,
                "metrics": metrics,
                "stat": statistic,
                "period": MINUTE_S,
                "region": "${AWS::Region}",
            },
        }
        for at, (title, metrics, statistic) in enumerate(rows)
    ]
    body: Tagged = sub(json.dumps({"widgets": widgets}))
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {"DashboardName": sub("${AWS::StackName}"), "DashboardBody": body},
    }
