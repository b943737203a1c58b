"""Retained messages: kept, replaced, expired, paged, and still there after a restart."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.iot.messages import Message
from bellwire_local.iot.mqtt import Properties
from bellwire_local.iot.retained import RetainedMessage, RetainedMessages, retained_in_memory

PROPERTIES = Properties(
    payload_format=1,
    content_type="text/plain",
    response_topic="r",
    correlation_data=b"\x00\xff",
    user_properties=(("a", "1"), ("a", "2"), ("b", "")),
)


def retained(topic: str, payload: bytes = b"x", **more: object) -> Message:
    return Message(topic, payload, retain=True, **more)  # type: ignore[arg-type]  # checked there


def test_the_last_one_is_kept_with_all_that_it_said() -> None:
    store = retained_in_memory(lambda: 1000.5)
    store.keep(retained("a", b"1"))
    last = retained("a", b"2", qos=1, properties=PROPERTIES, expires_at_s=2000.0)
    store.keep(last)
    assert store.get("a") == RetainedMessage(last, 1_000_500)
    assert store.get("b") is None


def test_empty_payload_deletes() -> None:
    store = retained_in_memory(lambda: 0)
    store.keep(retained("a"))
    store.keep(retained("a", b""))
    assert store.get("a") is None
    assert store.list(None, 10) == ()


def test_expired_message_is_gone() -> None:
    now_s = 0.0
    store = retained_in_memory(lambda: now_s)
    store.keep(retained("a", expires_at_s=10))
    store.keep(retained("b"))
    now_s = 9.9
    store.forget_expired()
    assert store.get("a") is not None
    now_s = 10
    assert store.get("a") is None
    assert [found.message.topic for found in store.list(None, 10)] == ["b"]


def test_storage_is_written_only_if_something_can_have_expired(tmp_path: Path) -> None:
    now_s = 0.0
    other, storage = (
        sqlite3.connect(tmp_path / "stand_in.db", timeout=0, isolation_level=None) for _ in range(2)
    )
    store = RetainedMessages(storage, "1", lambda: now_s)
    store.keep(retained("a", expires_at_s=20))
    store.keep(retained("b", expires_at_s=10))
    store = RetainedMessages(storage, "1", lambda: now_s)
    other.execute("BEGIN IMMEDIATE")
    now_s = 9.9
    store.forget_expired()
    now_s = 10
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.forget_expired()
    other.execute("ROLLBACK")
    count = "SELECT COUNT(*) FROM retained_messages"
    store.forget_expired()
    assert storage.execute(count).fetchone() == (1,)
    now_s = 20
    store.forget_expired()
    assert storage.execute(count).fetchone() == (0,)


def test_it_outlives_the_process_and_keeps_accounts_apart(tmp_path: Path) -> None:
    def opened(account_id: str) -> RetainedMessages:
        storage = sqlite3.connect(tmp_path / "stand_in.db", isolation_level=None)
        return RetainedMessages(storage, account_id, lambda: 0)

    opened("1").keep(retained("a", b"one"))
    opened("2").keep(retained("a", b"two"))
    kept = opened("1").get("a")
    assert kept is not None
    assert kept.message.payload == b"one"


@given(st.sets(st.text("ab/é", min_size=1, max_size=4)), st.integers(1, 5))
def test_pages_hold_every_topic_once_in_order(topics: set[str], limit: int) -> None:
    store = retained_in_memory(lambda: 0)
    for topic in topics:
        store.keep(retained(topic))
    listed: list[str] = []
    after = None
    while page := store.list(after, limit):
        assert len(page) <= limit
        after = page[-1].message.topic
        listed += [found.message.topic for found in page]
    assert listed == sorted(topics, key=str.encode)
