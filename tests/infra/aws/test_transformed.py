"""The template as SAM hands it to CloudFormation: what it makes of functions and their events."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

from infra.aws.template_file import TEMPLATE

SAM_PYTHON: Final = TEMPLATE.parents[2] / ".tools" / "sam" / "bin" / "python"
TRANSFORM: Final = """
import json, sys
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader

class NoPolicies(ManagedPolicyLoader):
    def __init__(self):
        super().__init__(None)
    def load(self):
        return {}

template = yaml_parse(open(sys.argv[1]).read())
for one in template["Resources"].values():
    if one["Type"] == "AWS::Serverless::LayerVersion":
        one["Properties"]["ContentUri"] = "s3://bucket/library"
template["Globals"]["Function"]["CodeUri"] = "s3://bucket/functions"
print(json.dumps(transform(template, {}, NoPolicies())))
"""


@cache
def transformed() -> dict[str, Any]:
    done = subprocess.run(
        [SAM_PYTHON, "-c", TRANSFORM, TEMPLATE],
        env={"AWS_DEFAULT_REGION": "us-east-1", "HOME": str(Path.home())},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def properties(kind: str) -> dict[str, Any]:
    return {
        name: one["Properties"]
        for name, one in transformed()["Resources"].items()
        if one["Type"] == kind
    }


def test_the_heartbeat_is_off_unless_it_is_wanted() -> None:
    rule = properties("AWS::Events::Rule")["EventsFunctionHeartbeat"]
    assert rule["State"] == {"Fn::If": ["HasHeartbeat", "ENABLED", "DISABLED"]}


def test_what_eventbridge_cannot_deliver_is_kept() -> None:
    (policy,) = properties("AWS::SQS::QueuePolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert policy["Queues"] == [{"Ref": "DeadLettersQueue"}]
    sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    for name in ("EventsFunctionUpdates", "EventsFunctionHeartbeat"):
        (target,) = properties("AWS::Events::Rule")[name]["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLettersQueue", "Arn"]}}
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 21_600
        assert {"Fn::GetAtt": [name, "Arn"]} in sources


def test_streams_and_queues_report_what_failed() -> None:
    sources = properties("AWS::Lambda::EventSourceMapping")
    assert set(sources) == {
        "JobsFunctionStandard",
        "JobsFunctionFifo",
        "ChangesFunctionStream",
        "DoorbellsFunctionLog",
        "DoorbellsFunctionLater",
    }
    for name, source in sources.items():
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
