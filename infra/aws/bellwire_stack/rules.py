"""The topic rule by which AWS IoT tells of connections."""

from typing import Any, Final

from bellwire_stack.policies import allow
from bellwire_stack.words import att, ref

LIFECYCLE: Final = "SELECT * FROM '$aws/events/+/+/+'"


def rules() -> dict[str, Any]:
    """Return the rule, and what lets it call the function."""
    return {
        "LifecycleRule": {
            "Type": "AWS::IoT::TopicRule",
            "Properties": {
                "TopicRulePayload": {
                    "Description": "Who connects, subscribes and goes",
                    "AwsIotSqlVersion": "2016-03-23",
                    "Sql": LIFECYCLE,
                    "RuleDisabled": False,
                    "Actions": [{"Lambda": {"FunctionArn": att("LifecycleFunction.Arn")}}],
                    "ErrorAction": {
                        "Sqs": {
                            "QueueUrl": ref("DeadLettersQueue"),
                            "RoleArn": att("LifecycleRuleRole.Arn"),
                            "UseBase64": False,
                        }
                    },
                },
            },
        },
        "LifecycleRuleRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "iot.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
                "Policies": [
                    {
                        "PolicyName": "dead-letters",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                allow(
                                    "SendDeadLetters",
                                    ["sqs:SendMessage"],
                                    att("DeadLettersQueue.Arn"),
                                )
                            ],
                        },
                    }
                ],
            },
        },
        "LifecycleRulePermission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": ref("LifecycleFunction"),
                "Principal": "iot.amazonaws.com",
                "SourceArn": att("LifecycleRule.Arn"),
                "SourceAccount": ref("AWS::AccountId"),
            },
        },
    }
