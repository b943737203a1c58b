"""Our evaluator against npm `@cloud-copilot/iam-simulate` on generated cases, in one process.

Variables are replaced beforehand for the other one, which may not know IoT's. What it does not do
as AWS documents is kept out of the cases: it takes a `*` in the requested resource for a wildcard,
so the characters `*`, `?` and `$` themselves are letters for it; it voids a Deny that leaves
something out by a variable without a value, where ours still denies, and asks for no variable of a
condition with Not whose key is missing, where ours voids an Allow; it never inverts an ARN that is
too short; and it takes an IPv6 address to be in no range and outside of none, and 0.0.0.0/0 to hold
nothing.
"""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from bellwire_local.iam.patterns import Context
from bellwire_local.iam.policies import evaluate, read_policy

ORACLE = Path(__file__).with_name("iam_simulate_oracle.mjs")
SEED, CASES = 4, 3_000
PREFIX = "arn:aws:iot:us-east-1:000000000000:"
VARIABLES = ("iot:ClientId", "aws:SourceIp", "cognito-identity.amazonaws.com:sub")
AMR = "cognito-identity.amazonaws.com:amr"
ACTIONS = ("iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish")
LETTERS = str.maketrans("*?$", "SQD")


@dataclass(frozen=True)
class Case:
    action: str
    resource: str
    context: Context
    layers: tuple[tuple[dict[str, object], ...], ...]

    def for_the_other(self) -> str:
        substituted = re.sub(r'\$\{([a-z][^}"]*)\}', self._value_of, json.dumps(self.layers))
        literal = re.sub(r"\$\{([*?$])\}", lambda found: found[1].translate(LETTERS), substituted)
        return json.dumps(
            {
                "action": self.action,
                "resource": self.resource.translate(LETTERS),
                "context": self.context,
                "layers": json.loads(literal),
            }
        )

    def _value_of(self, variable: re.Match[str]) -> str:
        value = self.context.get(variable[1], variable[0])
        assert isinstance(value, str)
        return value if value == variable[0] else value.translate(LETTERS)


class Generator:
    """Draws cases whose documents speak about the request, more or less."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def case(self) -> Case:
        draw = self.random
        action = draw.choice(ACTIONS)
        kind = draw.choice(("client", "topic", "topicfilter"))
        name = "/".join(
            draw.choices(["a", "b", "a+", "#", "*", "B", "a.b", "+", ""], k=draw.randint(1, 3))
        )
        resource = f"{PREFIX}{kind}/{name}"
        context: dict[str, str | tuple[str, ...]] = {
            "aws:SourceIp": draw.choice(["10.0.0.1", "11.0.0.1"])
        }
        if draw.random() < 0.8:
            context["iot:ClientId"] = draw.choice(["a", "b", "a/b", "*", "B?"])
        if draw.random() < 0.6:
            context["cognito-identity.amazonaws.com:sub"] = draw.choice(["a", "us-east-1:b"])
            amr = ("unauthenticated", "authenticated", "login.example")
            context[AMR] = tuple(draw.sample(amr, draw.randint(1, 3)))
        layers = tuple(
            tuple(self.document(action, resource) for _ in range(draw.randint(1, 2)))
            for _ in range(2)
        )
        return Case(action, resource, context, layers)

    def document(self, action: str, resource: str) -> dict[str, object]:
        count = self.random.randint(1, 3)
        statements = [self.statement(action, resource) for _ in range(count)]
        return {"Version": "2012-10-17", "Statement": statements}

    def statement(self, action: str, resource: str) -> dict[str, object]:
        draw = self.random
        statement: dict[str, object] = {"Effect": draw.choice(["Allow", "Allow", "Allow", "Deny"])}
        actions = [self.action(action) for _ in range(draw.randint(1, 2))]
        statement[draw.choice(["Action", "Action", "Action", "NotAction"])] = actions
        is_deny, is_inverted = statement["Effect"] == "Deny", draw.random() < 0.25
        resources = [self.pattern(resource, is_short=not is_inverted) for _ in range(2)]
        if is_deny and is_inverted:
            resources = [_without_variables(pattern) for pattern in resources]
        statement["NotResource" if is_inverted else "Resource"] = resources[: draw.randint(1, 2)]
        if draw.random() < 0.4:
            statement["Condition"] = self.condition()
        return statement

    def action(self, action: str) -> str:
        other = self.random.choice(ACTIONS)
        forms = ("iot:*", "*", action.upper(), action[:-1] + "?", action, action, other, other)
        return self.random.choice(forms)

    def pattern(self, resource: str, *, is_short: bool) -> str:
        """Write the resource, or one like it, with wildcards, variables and escapes."""
        draw = self.random
        if draw.random() < 0.1:
            long = ["*", "arn:aws:iot:*:*:topic/*", PREFIX + "*"]
            return draw.choice(long + ["arn:aws:iot:*", "arn:aws:iot:*-1"] * is_short)
        kind, _, name = resource.removeprefix(PREFIX).partition("/")
        written = "".join(self.character(char) for char in name)
        if draw.random() < 0.2:
            written += draw.choice(["*", "?", "x", "/*"])
        prefix = PREFIX
        if draw.random() < 0.15:
            prefix = draw.choice(
                ["arn:aws:iot:*:*:", "arn:aws:iot:us-*:0*0:", "arn:aws:iot:us-east-?:*:"]
            )
        return f"{prefix}{kind}/{written}"

    def character(self, char: str) -> str:
        drawn = self.random.random()
        if drawn < 0.08:
            return "*"
        if drawn < 0.12:
            return "?"
        if drawn < 0.18:
            return f"${{{self.random.choice(VARIABLES)}}}"
        if drawn < 0.20:
            return ""
        return f"${{{char}}}" if char in "*?$" and drawn < 0.8 else char

    def condition(self) -> dict[str, object]:
        draw = self.random
        name = draw.choice(["", "Not"])
        if draw.random() < 0.3:
            quantifier = draw.choice(["ForAnyValue:", "ForAllValues:"])
            values = draw.sample(["auth*", "unauthenticated", "login.?xample", "x"], 2)
            return {f"{quantifier}String{name}Like": {AMR: values}}
        if draw.random() < 0.3:
            wanted = draw.choice(["10.0.0.0/8", "10.0.0.1", "8.0.0.0/6", "192.168.0.0/16"])
            return {f"{name}IpAddress": {"aws:SourceIp": wanted}}
        if draw.random() < 0.2:
            key = draw.choice(["aws:SourceIp", AMR, "cognito-identity.amazonaws.com:sub"])
            return {"Null": {key: draw.choice(["true", "false"])}}
        operator = draw.choice(["Equals", "EqualsIgnoreCase", "Like"])
        ending = draw.choice(["", "IfExists"])
        variable = "b" if name else "${iot:ClientId}"
        values = draw.sample(["a", "A", "us-east-1:*", variable, "?"], 2)
        return {f"String{name}{operator}{ending}": {"cognito-identity.amazonaws.com:sub": values}}


def _without_variables(pattern: str) -> str:
    return re.sub(r"\$\{[a-z][^}]*\}", "b", pattern)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    generator = Generator(SEED)
    return [generator.case() for _ in range(CASES)]


def _ours(case: Case) -> dict[str, object]:
    verdicts = []
    for documents in case.layers:
        policies = [read_policy("p", document) for document in documents]
        verdict = evaluate(policies, case.action, case.resource, case.context)
        verdicts.append(verdict.is_allowed)
    return {"layers": verdicts, "both": all(verdicts)}


def test_an_independent_evaluator_agrees(cases: list[Case]) -> None:
    asked = "".join(f"{case.for_the_other()}\n" for case in cases)
    answered = subprocess.run(
        ["node", str(ORACLE)], input=asked, capture_output=True, text=True, timeout=60
    )
    assert answered.stderr == ""
    theirs = [json.loads(line) for line in answered.stdout.splitlines()]
    assert len(theirs) == CASES
    differing = [
        (case, ours, other)
        for case, other in zip(cases, theirs, strict=True)
        if (ours := _ours(case)) != other
    ]
    assert differing == []
    allowed = sum(said["both"] for said in theirs)
    assert CASES // 20 < allowed < CASES // 2, "the cases are one-sided"
