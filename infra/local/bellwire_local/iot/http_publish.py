"""Publish over HTTPS: a request with MQTT 5's headers becomes a message.

Source: https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_Publish.html
"""

import json

from bellwire_local.http_messages import HttpAnswer
from bellwire_local.iot import http_calls
from bellwire_local.iot.http_calls import Call, DataPlaneRefused, invalid
from bellwire_local.iot.messages import Message, expiry_of
from bellwire_local.iot.mqtt import NO_PROPERTIES, Properties
from bellwire_local.iot.retained import NotKept
from bellwire_local.iot.topics import find_topic_fault, is_wildcard

USER_PROPERTIES_HEADER = "x-amz-mqtt5-user-properties"
PAYLOAD_FORMAT_HEADER = "x-amz-mqtt5-payload-format-indicator"
CORRELATION_HEADER = "x-amz-mqtt5-correlation-data"
PAYLOAD_FORMATS = {"UNSPECIFIED_BYTES": 0, "UTF8_DATA": 1}

MAX_TEXT_BYTES = 65_535
"""Source: MQTT 5, 1.5.4: what a string or binary field can hold."""
MAX_EXPIRY_S = (1 << 63) - 1
"""Source: botocore's model, `messageExpiry` is a long; what is longer than MQTT allows is cut."""


def publish(call: Call) -> HttpAnswer:
    """Hand a message to the broker as it would come over MQTT, but from no client id."""
    message = read_message(call)
    call.demand("iot:Publish", f"topic/{message.topic}")
    if message.retain:
        call.demand("iot:RetainPublish", f"topic/{message.topic}")
    try:
        call.broker.publish(message)
    except NotKept as fault:
        raise DataPlaneRefused(500, "InternalFailureException", str(fault)) from fault
    return http_calls.accept()


def read_message(call: Call) -> Message:
    """Read topic, options, headers and payload.

    Raises:
        DataPlaneRefused: one of them is not what MQTT or AWS allows.
    """
    _check_topic("topic", call.label, call)
    if call.body is None or len(call.body) > call.limits.payload_bytes:
        raise DataPlaneRefused(
            413,
            "RequestEntityTooLargeException",
            f"The payload has {call.body_bytes} bytes; "
            f"at most {call.limits.payload_bytes} are allowed",
        )
    qos = http_calls.read_number(call.query, "qos", 0, 1) or 0
    retain = http_calls.read_flag(call.query, "retain")
    expiry_s = http_calls.read_number(call.query, "messageExpiry", 0, MAX_EXPIRY_S)
    expires_at_s = expiry_of(expiry_s, call.now_s, call.limits)
    return Message(call.label, call.body, qos, retain, read_properties(call), expires_at_s)


def read_properties(call: Call) -> Properties:
    """Read what travels to subscribers of MQTT 5.

    Raises:
        DataPlaneRefused: one of them is not what MQTT or AWS allows.
    """
    content_type, response_topic = call.query.get("contentType"), call.query.get("responseTopic")
    correlation = call.headers.get(CORRELATION_HEADER)
    if content_type is not None:
        _check_text("contentType", content_type)
    if response_topic is not None:
        _check_topic("responseTopic", response_topic, call)
    said = Properties(
        payload_format=_read_payload_format(call.headers.get(PAYLOAD_FORMAT_HEADER)),
        content_type=content_type,
        response_topic=response_topic,
        correlation_data=None if correlation is None else _read_correlation(correlation),
        user_properties=_read_user_properties(call.headers.get(USER_PROPERTIES_HEADER)),
    )
    return NO_PROPERTIES if said == NO_PROPERTIES else said


def _check_topic(name: str, topic: str, call: Call) -> None:
    fault = find_topic_fault(topic, call.limits)
    if fault is not None:
        raise invalid(f"The {name} {topic!r} is not valid: {fault}")
    _check_text(name, topic)
    if is_wildcard(topic) or topic.startswith("$"):
        raise invalid(
            f"The {name} {topic!r} is not valid: wildcards and reserved topics take no messages"
        )


def _check_text(name: str, text: str) -> None:
    """Refuse what MQTT could not say: too long, U+0000, halves of surrogate pairs."""
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError as error:
        raise invalid(f"{name} is not UTF-8: {error}") from error
    if size_bytes > MAX_TEXT_BYTES:
        raise invalid(f"{name} has {size_bytes} bytes; at most {MAX_TEXT_BYTES} can be said")
    if "\0" in text:
        raise invalid(f"{name} contains U+0000")


def _read_payload_format(text: str | None) -> int | None:
    if text is None:
        return None
    if text not in PAYLOAD_FORMATS:
        expected = " or ".join(PAYLOAD_FORMATS)
        raise invalid(f"{PAYLOAD_FORMAT_HEADER} is {text!r}; {expected} is expected")
    return PAYLOAD_FORMATS[text]


def _read_correlation(text: str) -> bytes:
    correlation = http_calls.decode_base64(text, CORRELATION_HEADER)
    if len(correlation) > MAX_TEXT_BYTES:
        raise invalid(
            f"{CORRELATION_HEADER} has {len(correlation)} bytes; "
            f"at most {MAX_TEXT_BYTES} can be said"
        )
    return correlation


def _read_user_properties(text: str | None) -> tuple[tuple[str, str], ...]:
    """Read base64 of JSON such as `[{"deviceName": "alpha"}, {"deviceCnt": "45"}]`."""
    if text is None:
        return ()
    try:
        listed = json.loads(http_calls.decode_base64(text, USER_PROPERTIES_HEADER))
    except (ValueError, RecursionError) as error:
        raise invalid(f"{USER_PROPERTIES_HEADER} is not JSON: {error}") from error
    if not isinstance(listed, list):
        raise invalid(f"{USER_PROPERTIES_HEADER} is no JSON array of objects with one key each")
    return tuple(map(_read_user_property, listed))


def _read_user_property(listed: object) -> tuple[str, str]:
    if not isinstance(listed, dict) or len(listed) != 1:
        raise invalid(f"{USER_PROPERTIES_HEADER} holds something else than an object with one key")
    ((name, value),) = listed.items()
    if not isinstance(value, str):
        raise invalid(f"{USER_PROPERTIES_HEADER}: {name!r} is no text")
    _check_text(USER_PROPERTIES_HEADER, name)
    _check_text(USER_PROPERTIES_HEADER, value)
    return name, value
