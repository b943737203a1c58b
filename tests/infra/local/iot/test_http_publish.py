"""What an HTTPS Publish is read as, and every way in which it is refused; no socket."""

import base64
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.iot import mqtt
from bellwire_local.iot.http_calls import Call, DataPlaneRefused
from bellwire_local.iot.http_publish import read_message
from bellwire_local.iot.limits import OFF, STRICT, Limits
from bellwire_local.iot.messages import Message
from infra.local.iot.mqtt_strategies import binaries, pairs, texts

NOW_S = 1_800_000_000.0
USER, FORMAT, CORRELATION = (
    "x-amz-mqtt5-user-properties",
    "x-amz-mqtt5-payload-format-indicator",
    "x-amz-mqtt5-correlation-data",
)


def read(
    topic: str = "a/b",
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = b"x",
    limits: Limits = STRICT,
) -> Message:
    return read_message(
        Call(
            label=topic,
            query=query or {},
            headers=headers or {},
            body=body,
            body_bytes=131_073 if body is None else len(body),
            now_s=NOW_S,
            broker=None,  # type: ignore[arg-type] # reading asks no broker
            demand=lambda _action, _resource: None,
            limits=limits,
        )
    )


def base64_json(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


def test_a_bare_request_is_a_bare_message() -> None:
    assert read() == Message("a/b", b"x")
    assert read().properties is mqtt.NO_PROPERTIES  # which the fan-out writes without looking


def test_options_and_headers_become_properties() -> None:
    query = {
        "qos": "1",
        "retain": "true",
        "contentType": "text/plain",
        "responseTopic": "a/answer",
        "messageExpiry": "60",
    }
    headers = {
        USER: "W3siZGV2aWNlTmFtZSI6ICJhbHBoYSJ9LCB7ImRldmljZUNudCI6ICI0NSJ9XQ==",
        FORMAT: "UTF8_DATA",
        CORRELATION: "AP8=",
    }
    assert read(query=query, headers=headers) == Message(
        "a/b",
        b"x",
        qos=1,
        retain=True,
        properties=mqtt.Properties(
            payload_format=1,
            content_type="text/plain",
            response_topic="a/answer",
            correlation_data=b"\x00\xff",
            user_properties=(("deviceName", "alpha"), ("deviceCnt", "45")),
        ),
        expires_at_s=1_800_000_060.0,
    )


@pytest.mark.parametrize(
    ("asked", "expires_at_s"),
    [("0", NOW_S + 1), ("1", NOW_S + 1), ("604800", NOW_S + 604_800), ("604801", NOW_S + 604_800)],
)
def test_expiry_is_brought_into_its_range(asked: str, expires_at_s: float) -> None:
    assert read(query={"messageExpiry": asked}).expires_at_s == expires_at_s


@given(pairs, binaries, texts)
def test_what_was_said_reaches_mqtt_5(
    listed: tuple[tuple[str, str], ...], correlation: bytes, content_type: str
) -> None:
    headers = {
        USER: base64_json([{name: value} for name, value in listed]),
        CORRELATION: base64.b64encode(correlation).decode(),
    }
    message = read(query={"contentType": content_type}, headers=headers)
    packet = mqtt.Publish(message.topic, message.payload, properties=message.properties)
    written = mqtt.encode(packet, mqtt.Version.V5)
    (received,) = mqtt.Decoder(200_000, mqtt.Version.V5).feed(written)
    assert isinstance(received, mqtt.Publish)
    assert received.properties == mqtt.Properties(
        content_type=content_type, correlation_data=correlation, user_properties=listed
    )


@given(
    st.dictionaries(
        st.sampled_from(["qos", "retain", "contentType", "responseTopic", "messageExpiry"]),
        st.text(max_size=20) | st.integers().map(str),
    ),
    st.dictionaries(
        st.sampled_from([USER, FORMAT, CORRELATION]),
        st.text(max_size=20)
        | st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(base64_json),
    ),
)
def test_whatever_comes_is_a_message_that_can_be_sent_or_one_error(
    query: dict[str, str], headers: dict[str, str]
) -> None:
    try:
        message = read(query=query, headers=headers)
    except DataPlaneRefused:  # nothing else may come out
        return
    packet = mqtt.Publish(message.topic, message.payload, properties=message.properties)
    assert mqtt.encode(packet, mqtt.Version.V5)[0] == 0x30


@pytest.mark.parametrize(
    ("topic", "query", "headers", "complaint"),
    [
        ("a/#", {}, {}, "The topic 'a/#' is not valid"),
        ("$aws/x", {}, {}, "reserved topics"),
        ("a" * 257, {}, {}, "257 bytes"),
        ("a\0", {}, {}, "U+0000"),
        ("a", {"qos": "2"}, {}, "qos is 2; a number from 0 to 1"),
        ("a", {"qos": ""}, {}, "qos is ''"),
        ("a", {"qos": "\u0661"}, {}, "qos is '\u0661'"),  # a digit, but not of ASCII
        ("a", {"retain": "1"}, {}, "retain is '1'; true or false"),
        ("a", {"messageExpiry": "-1"}, {}, "messageExpiry is '-1'"),
        ("a", {"messageExpiry": "9" * 5000}, {}, "messageExpiry is '9999"),
        ("a", {"responseTopic": "a/+"}, {}, "The responseTopic 'a/+'"),
        ("a", {"contentType": "a\0"}, {}, "contentType contains U+0000"),
        ("a", {"contentType": "a" * 65_536}, {}, "65536 bytes"),
        ("a", {}, {FORMAT: "UTF8"}, "UNSPECIFIED_BYTES or UTF8_DATA is expected"),
        ("a", {}, {CORRELATION: "?"}, "x-amz-mqtt5-correlation-data is not base64"),
        ("a", {}, {USER: "?"}, "x-amz-mqtt5-user-properties is not base64"),
        ("a", {}, {USER: "AAAA"}, "is not JSON"),
        ("a", {}, {USER: base64.b64encode(b"[" * 100_000).decode()}, "is not JSON"),
        ("a", {}, {USER: base64_json({"a": "b"})}, "no JSON array"),
        ("a", {}, {USER: base64_json('[{"a": "b"}]')}, "no JSON array"),  # encoded twice
        ("a", {}, {USER: base64_json([{"a": "b", "c": "d"}])}, "one key"),
        ("a", {}, {USER: base64_json(["a"])}, "one key"),
        ("a", {}, {USER: base64_json([{"a": 45}])}, "'a' is no text"),
        ("a", {}, {USER: base64.b64encode(b'[{"a": "\\ud800"}]').decode()}, "not UTF-8"),
    ],
)
def test_what_cannot_be_said_is_refused(
    topic: str, query: dict[str, str], headers: dict[str, str], complaint: str
) -> None:
    with pytest.raises(DataPlaneRefused) as caught:
        read(topic, query, headers)
    assert (caught.value.status, caught.value.error_type) == (400, "InvalidRequestException")
    assert complaint in str(caught.value)


def test_a_payload_too_large_is_413_whether_it_was_kept_or_not() -> None:
    for body in (None, b"x" * 131_073):
        with pytest.raises(DataPlaneRefused, match="131073 bytes; at most 131072") as caught:
            read(body=body)
        assert caught.value.status == 413
    assert len(read(body=b"x" * 131_072).payload) == 131_072
    assert len(read(body=b"x" * 131_073, limits=OFF).payload) == 131_073
