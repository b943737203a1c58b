"""Lifecycle events as AWS documents them, read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire.channels import channel_of
from bellwire.errors import Malformed
from bellwire.lifecycle import LifecycleEvent, decode_lifecycle, identity_of
from bellwire_local.iot import lifecycle as told
from bellwire_local.iot.effects import DisconnectReason

IDENTITY = "us-east-1:5b1a7c0e-3f2d-4c1b-9a8e-0123456789ab"
CLIENT = f"{IDENTITY}-tab_1"
SESSION = "00000000-0000-0000-0000-000000000000"

# Source: AWS IoT guide, life-cycle-events; the client id is ours.
CONNECTED: dict[str, Any] = {
    "clientId": CLIENT,
    "timestamp": 1573002230757,
    "eventType": "connected",
    "sessionIdentifier": SESSION,
    "principalIdentifier": "AROAEXAMPLE:CognitoIdentityCredentials",
    "ipAddress": "192.0.2.0",
    "versionNumber": 0,
}
SUBSCRIBED: dict[str, Any] = {
    "clientId": CLIENT,
    "timestamp": 1460065214626,
    "eventType": "subscribed",
    "sessionIdentifier": "4b1e6e2c4f2c4f0c8e0b9d9c1d2e3f40",
    "principalIdentifier": "AROAEXAMPLE:CognitoIdentityCredentials",
    "topics": ["dev/public/host", "dev/group/red/room", "dev/public/#", "prod/public/host", "x"],
}


def test_a_connection_is_told_of() -> None:
    assert decode_lifecycle(CONNECTED, "dev") == LifecycleEvent(
        kind="connected",
        client_id=CLIENT,
        identity_id=IDENTITY,
        session=SESSION,
        at_ms=1573002230757,
        principal="AROAEXAMPLE:CognitoIdentityCredentials",
        version=0,
    )


def test_of_subscriptions_only_channels_of_the_stage_count() -> None:
    assert decode_lifecycle(SUBSCRIBED, "dev") == LifecycleEvent(
        kind="subscribed",
        client_id=CLIENT,
        identity_id=IDENTITY,
        session="4b1e6e2c4f2c4f0c8e0b9d9c1d2e3f40",
        at_ms=1460065214626,
        principal="AROAEXAMPLE:CognitoIdentityCredentials",
        channels=("public/host", "group/red/room"),
    )


@pytest.mark.parametrize(
    ("topic", "channel"),
    [
        ("dev/public/host", "public/host"),
        ("dev/user/us-east-1:x/inbox", "user/us-east-1:x/inbox"),
        ("dev/public", None),
        ("dev/public/+", None),
        ("dev/#", None),
        ("dev", None),
        ("", None),
        ("prod/public/host", None),
        ("dev/dev/public/host", None),
        ("dev//public/host", None),
        ("$aws/events/presence/connected/x", None),
    ],
)
def test_topics_of_channels(topic: str, channel: str | None) -> None:
    assert channel_of("dev", topic) == channel


@pytest.mark.parametrize(
    ("client_id", "identity_id"),
    [
        (IDENTITY, IDENTITY),
        (f"{IDENTITY}-a", IDENTITY),
        (f"{IDENTITY}--_-", IDENTITY),
        (f"{IDENTITY}-{'x' * 32}", IDENTITY),
        (f"{IDENTITY}-{'x' * 80}", IDENTITY),
        (f"{IDENTITY}-", IDENTITY),
        (f"{IDENTITY}-a.b", IDENTITY),
        (f"{IDENTITY}- !", IDENTITY),
        (f"{IDENTITY}-a\n", IDENTITY),
        (f"{IDENTITY}_a", None),
        (f"{IDENTITY[:-1]}", None),
        ("job-1", None),
        ("", None),
    ],
)
def test_whose_a_client_is(client_id: str, identity_id: str | None) -> None:
    assert identity_of(client_id) == identity_id


@pytest.mark.parametrize(
    "changed",
    [
        {"eventType": "connect_failed", "versionNumber": None, "sessionIdentifier": None},
        {"eventType": "invented"},
        {"clientId": "job-1", "sessionIdentifier": 7},
    ],
)
def test_what_changes_nobodys_presence_is_nothing(changed: dict[str, Any]) -> None:
    assert decode_lifecycle({**CONNECTED, **changed}, "dev") is None


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ([], "a lifecycle event"),
        (None, "a lifecycle event"),
        ("connected", "a lifecycle event"),
        ({}, "eventType"),
        ({**CONNECTED, "eventType": 1}, "eventType"),
        ({**CONNECTED, "clientId": None}, "clientId"),
        ({**CONNECTED, "timestamp": "1573002230757"}, "timestamp"),
        ({**CONNECTED, "timestamp": True}, "timestamp"),
        ({**CONNECTED, "timestamp": -1}, "timestamp"),
        ({**CONNECTED, "timestamp": 2**53}, "timestamp"),
        ({**CONNECTED, "versionNumber": 1.5}, "versionNumber"),
        ({**CONNECTED, "versionNumber": None}, "versionNumber"),
        ({**CONNECTED, "sessionIdentifier": ""}, "sessionIdentifier"),
        ({**CONNECTED, "sessionIdentifier": "a\x00"}, "sessionIdentifier"),
        ({**CONNECTED, "principalIdentifier": None}, "principalIdentifier"),
        ({**SUBSCRIBED, "topics": "dev/public/host"}, "topics"),
        ({**SUBSCRIBED, "topics": [1]}, "topics"),
    ],
)
def test_what_is_no_event_is_refused_with_what_is_wrong(payload: Any, found: str) -> None:
    with pytest.raises(Malformed, match=f"expected .*{found}"):
        decode_lifecycle(payload, "dev")


def test_the_events_of_the_stand_in_are_read() -> None:
    about = told.Subject(CLIENT, SESSION, "AROAEXAMPLE:someone", 7)
    messages = [
        told.connected_event(about, "127.0.0.1", 3),
        told.subscribed_event(about, ["dev/public/host"]),
        told.unsubscribed_event(about, ["dev/public/host"]),
        told.disconnected_event(
            about, DisconnectReason.CONNECTION_LOST, 3, is_client_initiated=False
        ),
    ]
    found = [decode_lifecycle(json.loads(m.payload), "dev") for m in messages if m is not None]
    assert [
        (event.kind, event.session, event.at_ms, event.version, event.channels)
        for event in found
        if event is not None
    ] == [
        ("connected", SESSION, 7, 3, ()),
        ("subscribed", SESSION, 7, None, ("public/host",)),
        ("unsubscribed", SESSION, 7, None, ("public/host",)),
        ("disconnected", SESSION, 7, 3, ()),
    ]


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted({**CONNECTED, **SUBSCRIBED})), json_values))
def test_whatever_is_in_an_event_is_read_or_refused_in_one_line(changed: dict[str, Any]) -> None:
    for payload in ({**CONNECTED, **changed}, {**SUBSCRIBED, **changed}):
        said = "read"
        try:
            decode_lifecycle(payload, "dev")
        except Malformed as error:
            said = error.message
        assert said.isprintable()
