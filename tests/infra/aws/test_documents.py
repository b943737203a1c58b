"""infra/aws/README.md says what the template says, and its examples are what is taken."""

import json
import re
from typing import Any

import pytest

from bellwire.functions.login_rules import read_logins
from bellwire.publications import decode_publication, decode_publications
from bellwire.publishing import check_publication
from documents import REPOSITORY, blocks
from infra.aws.template_file import read_template, resources

PAGE = "infra/aws/README.md"
TEXT = (REPOSITORY / PAGE).read_text()
JSON_BLOCKS: list[dict[str, Any]] = [json.loads(text) for text in blocks(PAGE, "json")]
BODIES = [
    json.loads(body.replace('\\"', '"'))
    for text in blocks(PAGE, "sh")
    for body in re.findall(r"""['"](\{\\?"channel\\?":.*?\})['"]""", text)
]


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's tables, without headings."""
    found = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def parameter_rows() -> list[list[str]]:
    return [row for row in rows("Parameters") if names(row[0])]


def test_every_alarm_is_in_the_runbook_once() -> None:
    named = re.findall(r"`(\w+Alarm)`", " ".join(row[0] for row in rows("Runbook")))
    assert sorted(named) == sorted(resources("AWS::CloudWatch::Alarm"))


def test_every_parameter_is_in_the_table_once_with_its_default() -> None:
    found: dict[str, str] = {}
    for named, default, _ in parameter_rows():
        parameters = names(named)
        defaults = default.split(", ") if len(parameters) > 1 and default else [default]
        if len(defaults) != len(parameters):
            defaults = defaults * len(parameters)
        for name, value in zip(parameters, defaults, strict=True):
            assert name not in found
            found[name] = value.strip("`-")
    template = read_template()["Parameters"]
    assert found == {name: str(one["Default"]) for name, one in template.items()}


def test_what_is_paid_for_is_counted() -> None:
    everything = read_template()["Resources"].values()
    counted = {row[0]: row[1] for row in rows("Idle cost")}
    for label, kind, condition in (
        ("alarms", "AWS::CloudWatch::Alarm", "HasChanges"),
        ("secrets", "AWS::SecretsManager::Secret", "HasLoginSecret"),
    ):
        of_kind = [one for one in everything if one["Type"] == kind]
        always = [one for one in of_kind if one.get("Condition") != condition]
        assert counted[label].startswith(f"{len(always)} ({len(of_kind)} with")
    assert counted["dashboard"] == str(len(resources("AWS::CloudWatch::Dashboard")))


def test_the_sum_is_that_of_its_rows() -> None:
    costs = re.findall(r"\| \$(\d+\.\d\d) \|", section("Idle cost"))
    (total,) = re.findall(r"\| \*\*\$(\d+\.\d\d)\*\*", section("Idle cost"))
    assert f"{sum(map(float, costs)):.2f}" == total


def test_every_function_is_described() -> None:
    described = {name.strip() for row in rows("What is deployed") for name in row[0].split(",")}
    for name in resources("AWS::Serverless::Function"):
        assert name.removesuffix("Function").lower() in described


def test_every_function_has_a_measured_start() -> None:
    measured = {row[0] for row in rows("Starts")}
    for name in resources("AWS::Serverless::Function"):
        assert name.removesuffix("Function").lower() in measured


def test_outputs_named_are_there() -> None:
    named = set(re.findall(r"outputs? `(\w+)`", TEXT)) | {"JobsFifoQueueUrl"}
    assert len(named) > 3
    assert named <= set(read_template()["Outputs"])


@pytest.mark.parametrize(
    "rules",
    [one for one in JSON_BLOCKS if set(one) & {"own", "providers"}],
    ids=lambda one: json.dumps(one)[:40],
)
def test_logins_are_read(rules: dict[str, Any]) -> None:
    read = read_logins(json.dumps(rules), b"a secret of thirty-two characters")
    assert (read.own is not None) == ("own" in rules)
    assert set(read.providers) == set(rules.get("providers", {}))


def test_updates_can_be_published() -> None:
    (whole,) = [one for one in JSON_BLOCKS if "updates" in one]
    assert len(BODIES) == 5
    for publication in [*decode_publications(whole), *map(decode_publication, BODIES)]:
        check_publication(publication)
