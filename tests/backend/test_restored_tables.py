"""infra/aws/README.md's program that publishes the state of a restored table, run as it stands."""

from typing import Any

import pytest

import bellwire
from backend.doubles import KeepingBroker
from bellwire.aws.dynamodb_log import DynamoDbLog
from bellwire.fanout import answer_doorbell
from bellwire.updates import Draft
from documents import blocks

COPY = "wire-keyed-restored"


class KeepingPublisher:
    """Keeps what it is to publish."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []

    def from_env(self) -> "KeepingPublisher":
        return self

    def set(self, channel: str, key: str, data: Any) -> None:
        self.told.append((channel, key, data))


def program(table: str) -> str:
    (found,) = [text for text in blocks("infra/aws/README.md", "python") if COPY in text]
    return found.replace(COPY, table)


def test_the_state_of_a_copy_is_published(
    dynamodb_log: DynamoDbLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = [
        Draft("set", "front", {"open": True}),
        Draft("set", "back", None),
        Draft("set", "gone", 1),
        Draft("delete", "gone"),
        Draft("event", data=1, id="an-id"),
    ]
    dynamodb_log.append("public/doors", drafts)
    dynamodb_log.append("user/us-east-1:a/inbox", [Draft("set", "s:key", "ü")])
    for channel in ("public/doors", "user/us-east-1:a/inbox"):
        answer_doorbell(channel, log=dynamodb_log, broker=KeepingBroker(), stage="dev")
    publisher = KeepingPublisher()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(bellwire, "Publisher", publisher, raising=False)
    exec(program(dynamodb_log.tables.keyed), {})
    assert sorted(publisher.told, key=str) == [
        ("public/doors", "back", None),
        ("public/doors", "front", {"open": True}),
        ("user/us-east-1:a/inbox", "s:key", "ü"),
    ]
