"""Our bytes read and written again by npm `mqtt-packet`, in one node process."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bellwire_local.iot import mqtt
from bellwire_local.iot.mqtt import Version
from infra.local.iot.mqtt_strategies import connects, packets

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ORACLE = Path(__file__).with_name("mqtt_packet_oracle.mjs")
EXAMPLES = 100

Ask = Callable[[bytes, Version], dict[str, Any]]
"""Bytes and version → `{"seen": [packet], "errors": [text], "again": hex}`, a packet being an
object in mqtt-packet's words, bytes in it `{"hex": …}`."""

PROPERTY_NAMES = {
    "payload_format": "payloadFormatIndicator",
    "message_expiry_s": "messageExpiryInterval",
    "content_type": "contentType",
    "response_topic": "responseTopic",
    "correlation_data": "correlationData",
    "subscription_id": "subscriptionIdentifier",
    "session_expiry_s": "sessionExpiryInterval",
    "assigned_client_id": "assignedClientIdentifier",
    "server_keep_alive_s": "serverKeepAlive",
    "authentication_method": "authenticationMethod",
    "request_problem_information": "requestProblemInformation",
    "will_delay_s": "willDelayInterval",
    "request_response_information": "requestResponseInformation",
    "response_information": "responseInformation",
    "server_reference": "serverReference",
    "reason_string": "reasonString",
    "receive_maximum": "receiveMaximum",
    "topic_alias_maximum": "topicAliasMaximum",
    "topic_alias": "topicAlias",
    "maximum_qos": "maximumQoS",
    "retain_available": "retainAvailable",
    "maximum_packet_bytes": "maximumPacketSize",
    "wildcard_subscription_available": "wildcardSubscriptionAvailable",
    "subscription_ids_available": "subscriptionIdentifiersAvailable",
    "shared_subscription_available": "sharedSubscriptionAvailable",
}


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    with subprocess.Popen(
        ["node", str(ORACLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        questions, verdicts = node.stdin, node.stdout

        def ask(encoded: bytes, version: Version) -> dict[str, Any]:
            questions.write(json.dumps({"version": version, "hex": encoded.hex()}) + "\n")
            questions.flush()
            verdict: dict[str, Any] = json.loads(verdicts.readline())
            return verdict

        yield ask
        questions.close()


Thing = TypeVar("Thing", bound="DataclassInstance")


def with_ordered_pairs(thing: Thing) -> Thing:
    """Name every user property anew, since mqtt-packet keeps them in an object, sorted its way,
    and forgets an empty value when its name comes again."""
    changes: dict[str, Any] = {}
    for field in fields(thing):
        value = getattr(thing, field.name)
        if isinstance(value, mqtt.Properties):
            pairs = tuple(
                (f"name-{place // 2}", f"-{text}")
                for place, (_, text) in enumerate(value.user_properties)
            )
            changes[field.name] = replace(value, user_properties=pairs)
        elif isinstance(value, mqtt.Will):
            changes[field.name] = with_ordered_pairs(value)
    return replace(thing, **changes)


def drawn(version: Version) -> st.SearchStrategy[tuple[Version, mqtt.Packet]]:
    return st.tuples(
        st.just(version), (connects(version) | packets(version)).map(with_ordered_pairs)
    )


def name_parts(packet: mqtt.Packet, version: Version) -> dict[str, object]:  # noqa: C901 - one flat case per kind
    """Say in mqtt-packet's words what it should have read."""
    match packet:
        case mqtt.Connect():
            parts: dict[str, object] = {
                "cmd": "connect",
                "protocolVersion": int(packet.version),
                "clean": packet.clean_session,
                "keepalive": packet.keep_alive_s,
                "clientId": packet.client_id,
            }
            if packet.username is not None:
                parts["username"] = packet.username
            if packet.password is not None:
                parts["password"] = {"hex": packet.password.hex()}
            if packet.will is not None:
                parts["will"] = {
                    "topic": packet.will.topic,
                    "payload": {"hex": packet.will.payload.hex()},
                    "qos": packet.will.qos,
                    "retain": packet.will.retain,
                    **name_properties(packet.will.properties),
                }
        case mqtt.Publish():
            parts = {
                "cmd": "publish",
                "topic": packet.topic,
                "payload": {"hex": packet.payload.hex()},
                "qos": packet.qos,
                "retain": packet.retain,
                "dup": packet.dup,
            }
            if packet.qos:
                parts["messageId"] = packet.packet_id
        case mqtt.ConnAck():
            code = "reasonCode" if version is Version.V5 else "returnCode"
            parts = {
                "cmd": "connack",
                "sessionPresent": packet.session_present,
                code: packet.return_code,
            }
        case mqtt.PubAck():
            parts = {"cmd": "puback", "messageId": packet.packet_id}
            if version is Version.V5:
                parts["reasonCode"] = packet.reason
        case mqtt.Subscribe():
            wishes = [name_wish(wish, version) for wish in packet.wishes]
            parts = {"cmd": "subscribe", "messageId": packet.packet_id, "subscriptions": wishes}
        case mqtt.SubAck():
            granted = list(packet.return_codes)
            parts = {"cmd": "suback", "messageId": packet.packet_id, "granted": granted}
        case mqtt.Unsubscribe():
            filters = list(packet.filters)
            parts = {
                "cmd": "unsubscribe",
                "messageId": packet.packet_id,
                "unsubscriptions": filters,
            }
        case mqtt.UnsubAck():
            parts = {"cmd": "unsuback", "messageId": packet.packet_id}
            if version is Version.V5:
                parts["granted"] = list(packet.reasons)
        case mqtt.Disconnect():
            parts = {"cmd": "disconnect"}
            if version is Version.V5:
                parts["reasonCode"] = packet.reason
        case _:
            return {"cmd": type(packet).__name__.lower()}
    return parts | name_properties(packet.properties)


def name_wish(wish: mqtt.Wish, version: Version) -> dict[str, object]:
    named: dict[str, object] = {"topic": wish.topic_filter, "qos": wish.qos}
    if version is Version.V5:
        named |= {
            "nl": wish.no_local,
            "rap": wish.retain_as_published,
            "rh": wish.retain_handling,
        }
    return named


def name_properties(properties: mqtt.Properties) -> dict[str, object]:
    named: dict[str, object] = {}
    for ours, theirs in PROPERTY_NAMES.items():
        value = getattr(properties, ours)
        if value is not None:
            named[theirs] = {"hex": value.hex()} if isinstance(value, bytes) else value
    pairs: dict[str, object] = {}
    for name, text in properties.user_properties:  # a name that comes twice holds a list
        pairs[name] = [pairs[name], text] if name in pairs else text
    if pairs:
        named["userProperties"] = pairs
    return {"properties": named} if named else {}


def is_writable(packet: mqtt.Packet) -> bool:
    """Whether mqtt-packet, a client's library, agrees to write what it has read."""
    match packet:
        case mqtt.Connect():
            may_lack_id = packet.version is not Version.V3_1 and packet.clean_session
            has_user = packet.username is not None or packet.password is None
            return (bool(packet.client_id) or may_lack_id) and has_user
        case mqtt.Publish():
            return bool(packet.topic)
        case _:
            return True


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(Version).flatmap(drawn))
def test_the_oracle_reads_our_packets(ask: Ask, case: tuple[Version, mqtt.Packet]) -> None:
    version, packet = case
    verdict = ask(mqtt.encode(packet, version), version)
    assert verdict["errors"] == []
    (seen,) = verdict["seen"]
    expected = name_parts(packet, version)
    assert {name: seen.get(name) for name in expected | {"properties": None}} == (
        {"properties": None} | expected
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(Version).flatmap(drawn))
def test_we_read_what_the_oracle_writes(ask: Ask, case: tuple[Version, mqtt.Packet]) -> None:
    version, packet = case
    assume(is_writable(packet))
    again = bytes.fromhex(ask(mqtt.encode(packet, version), version)["again"])
    assert list(mqtt.Decoder(200_000, version).feed(again)) == [packet]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"\x40\x04\x00\x0a%b\x00", id="PUBACK"),
        pytest.param(b"\x90\x04\x00\x0a\x00%b", id="SUBACK"),
        pytest.param(b"\xb0\x04\x00\x0a\x00%b", id="UNSUBACK"),
        pytest.param(b"\xe0\x02%b\x00", id="DISCONNECT"),
    ],
)
def test_both_know_the_same_reasons(ask: Ask, head: bytes) -> None:
    for code in range(256):
        encoded = head % bytes((code,))
        reasons = []
        try:
            list(mqtt.Decoder(200_000, Version.V5).feed(encoded))
        except mqtt.MalformedPacket as refusal:
            reasons.append(refusal.reason)
        is_unknown = bool(ask(encoded, Version.V5)["errors"])
        assert reasons == ([mqtt.Reason.PROTOCOL_ERROR] if is_unknown else []), hex(code)
