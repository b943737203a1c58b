"""The policy documents against the truth table: asked of an independent evaluator, and of our own.

What the table says, its author wrote down without looking at a document; npm
`@cloud-copilot/iam-simulate` reads the documents without looking at the table.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from backend.doctor.mutations import (
    Documents,
    mutations_of,
    with_more,
    with_text,
    without,
)
from backend.doctor.policy_questions import (
    ATTACHED,
    IDS,
    NAMES,
    PLACE,
    READS,
    ROLES,
    SUB,
    Question,
    documents,
    questions_of,
)
from bellwire.access import Reader, guest, may_read, member, narrowed
from bellwire.channels import resolve_me
from bellwire.doctor.truth_table import Action, Row, Who, truth_table
from bellwire.policies import load_policy

ORACLE = Path(__file__).parents[2] / "infra" / "local" / "iam" / "iam_simulate_oracle.mjs"
OURS = documents()
DECIDED = [(row, asked) for row in truth_table() if (asked := questions_of(row))]

UNNOTICED = {
    "narrowed_role": "the session's own policy is narrower",
    "member_identity, ConnectAsAnIdentity": "the role lets one connect as oneself alone",
    "session_role, VouchForUsers": "there is one pool",
    "operator_role, SeeAndEndConnections": "it covers every client, and direct messages are sent"
    " by nobody yet",
}
"""Where a mutation may go unnoticed, and why; none of them lets anybody do more."""


class Asked:
    """Questions on documents, each once, and what the other evaluator says."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._said: list[bool] = []

    def add(self, question: Question, held: Documents) -> str:
        """Remember a question as a line for the other one; the line is its name."""
        line = _line(question, held)
        self._places.setdefault(line, len(self._places))
        return line

    def run(self) -> None:
        """Have all of it answered."""
        asked = "".join(f"{line}\n" for line in self._places)
        answered = subprocess.run(
            ["node", ORACLE], input=asked, capture_output=True, text=True, timeout=100
        )
        assert answered.stderr == ""
        self._said = [all(json.loads(line)["layers"]) for line in answered.stdout.splitlines()]
        assert len(self._said) == len(self._places)

    def are_allowed(self, lines: Iterable[str]) -> bool:
        return all(self._said[self._places[line]] for line in lines)


def _line(question: Question, held: Documents) -> str:
    """Write a question for the other one: it knows no IoT variables, and `$` is special to it."""
    text = _layers(question, held).replace(f"${{{SUB}}}", question.sub or "nobody")
    assert "$" not in text
    asked = {
        "action": question.action,
        "resource": question.resource.replace("$", "D"),
        "context": {},
        "layers": json.loads(text),
    }
    return json.dumps(asked)


def _layers(question: Question, held: Documents) -> str:
    return json.dumps([[held[name] for name in layer] for layer in question.layers])


def mismatches(held: Mapping[str, Documents]) -> dict[str, list[Row]]:
    """Return, for each set of documents, the rows that they answer otherwise than the table.

    A row that does not ask any changed document is not asked again.
    """
    asked = Asked()
    lines: dict[tuple[str, Row], list[str]] = {}
    for name, changed in held.items():
        different = {one for one in changed if changed[one] != OURS[one]} or set(OURS)
        for row, questions in DECIDED:
            if any(different & {*layer} for one in questions for layer in one.layers):
                lines[name, row] = [asked.add(one, changed) for one in questions]
    asked.run()
    found: dict[str, list[Row]] = {name: [] for name in held}
    for (name, row), its in lines.items():
        if asked.are_allowed(its) != row.is_allowed:
            found[name].append(row)
    return found


def test_the_documents_allow_what_the_table_says_and_nothing_else() -> None:
    assert len(DECIDED) >= 300
    assert mismatches({"ours": OURS})["ours"] == []


def test_every_part_of_every_document_is_held_by_a_row() -> None:
    mutations = {one.name: one for one in mutations_of(OURS)}
    noticed = mismatches({name: one.documents for name, one in mutations.items()})
    for name, rows in noticed.items():
        is_known = any(name.startswith(known) for known in UNNOTICED)
        assert rows or is_known, name
    dropped = [name for name in noticed if name.endswith("dropped")]
    assert len(dropped) == sum(len(document["Statement"]) for document in OURS.values())
    assert all(noticed[name] for name in dropped)


ACTIONS = sorted({one.action for _, asked in DECIDED for one in asked})
ALONE = ("guest_role", "publisher_role", "operator_role", "session_role", "connections_role")
"""Documents that nothing else narrows."""
LET_IN = ("guest_role", "publisher_role")
"""Retaining needs publishing as well (which operators do in their stage alone), subscribing a
connection, receiving a subscription."""


def test_whatever_a_role_is_given_more_is_noticed() -> None:
    held = {
        f"{name} with {action}": with_more(OURS, name, action, "*")
        for name in ALONE
        for action in ACTIONS
        if not _has_all(name, action)
    }
    assert len(held) > 60
    unnoticed = {name for name, rows in mismatches(held).items() if not rows}
    assert unnoticed == {
        "session_role with cognito-identity:GetOpenIdTokenForDeveloperIdentity",  # of any pool
        *(f"{name} with iot:RetainPublish" for name in ALONE if name != "publisher_role"),
        *(f"{name} with iot:Subscribe" for name in ALONE if name not in LET_IN),
        *(f"{name} with iot:Receive" for name in ALONE if name != "guest_role"),
    }


def _has_all(name: str, action: str) -> bool:
    """Whether a document allows an action on everything there is of the kind."""
    return any(
        action in statement["Action"]
        and statement["Effect"] == "Allow"
        and (statement["Resource"] == "*" or statement["Resource"].endswith(":client/*"))
        for statement in OURS[name]["Statement"]
        if isinstance(statement["Resource"], str)
    )


HIDES = "NoClientIdThatHidesItsConnection"


@pytest.mark.parametrize(
    ("held", "noticed"),
    [
        (
            without(OURS, "member_role", HIDES),
            {
                f"{who}: MQTT CONNECT as {{{who}}}-{character}{{fresh}}"
                for who in ("alice", "bob")
                for character in "#+/"
            },
        ),
        (
            without(OURS, "guest_role", HIDES),
            {f"guest: MQTT CONNECT as {{guest}}-{character}{{fresh}}" for character in "#+/"},
        ),
        (
            with_text(OURS, "member_role", f"user/${{{SUB}}}/*", "user/*"),
            {
                "alice: MQTT SUBSCRIBE to {stage}/user/{bob}/doctor",
                "alice: MQTT SUBSCRIBE to {stage}/user/+/doctor",
                "alice: MQTT receive from {stage}/user/{bob}/doctor",
                "alice: GET /v1/updates?channels= user/{bob}/doctor",
                "bob: GET /v1/updates?cursor= at user/{alice}/doctor",
                "bob: GET /v1/signed/updates?channels= user/{alice}/doctor",
            },
        ),
        (
            {**OURS, "red": OURS["blue"]},
            {
                "alice: MQTT SUBSCRIBE to {stage}/group/red/doctor",
                "alice: MQTT SUBSCRIBE to {stage}/group/blue/doctor",
                "alice, narrowed: GET /v1/updates?channels= group/red/doctor",
            },
        ),
        (
            {**OURS, "red": {"Version": "2012-10-17", "Statement": []}},
            {
                "alice: MQTT receive from {stage}/group/red/doctor",
                "alice: GET /v1/updates?channels= group/red/doctor",
            },
        ),
        (
            with_more(
                OURS,
                "member_role",
                "execute-api:Invoke",
                "arn:aws:execute-api:us-east-1:000000000000:local/*/POST/v1/publish",
            ),
            {
                f"{who}: signed POST /v1/publish {channel}"
                for who in ("alice", "bob", "carol, kicked")
                for channel in ("public/doctor", "user/{alice}/doctor", "group/red/doctor")
            },
        ),
        (
            with_text(OURS, "member_role", "group/*", "*"),
            {"alice: MQTT SUBSCRIBE to {stage}/user/{bob}/doctor"},
        ),
        (
            with_text(OURS, "session", "public/doctor", "public/*"),
            {
                "alice, narrowed: MQTT SUBSCRIBE to {stage}/public/#",
                "alice, narrowed: MQTT receive from {stage}/public/doctor/more",
            },
        ),
    ],
)
def test_what_is_wrong_is_named(held: Documents, noticed: set[str]) -> None:
    found = {row.name for row in mismatches({"wrong": held})["wrong"]}
    assert noticed <= found


def test_attached_policies_know_no_variable() -> None:
    """Whether one resolves there is not known of AWS."""
    for name in {name for names in ATTACHED.values() for name in names}:
        assert "${" not in json.dumps(OURS[name])


@cache
def reader(who: Who) -> Reader:
    alice = member(IDS["alice"], ["red"], PLACE)
    return {
        Who.ANONYMOUS: guest(load_policy("guest_role", PLACE)),
        Who.ALICE: alice,
        Who.BOB: member(IDS["bob"], ["blue"], PLACE),
        Who.NARROWED: narrowed(alice, OURS["session"], PLACE),
    }[who]


def test_the_poll_endpoints_own_evaluator_agrees() -> None:
    asked = 0
    for row in truth_table():
        if row.action in READS and questions_of(row):
            channel = resolve_me(row.target.format_map(NAMES), reader(row.who).identity_id)
            assert may_read(reader(row.who), channel, PLACE) is row.is_allowed, row.name
            asked += 1
    assert asked == 100


def test_every_role_is_asked() -> None:
    roles: Sequence[str] = sorted(set(ROLES.values()))
    asked = {name for _, questions in DECIDED for one in questions for (name, *_) in one.layers[:1]}
    assert asked == {*roles}
    assert {row.action for row, _ in DECIDED} >= set(Action) - {
        Action.TAKE_CREDENTIALS,
        Action.ASSUME_BY_TOKEN,
        Action.JOIN,
        Action.BEARER_POST,
    }
