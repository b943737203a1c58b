"""Retained messages over HTTPS: one of them, or the list.

Source: https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_GetRetainedMessage.html,
https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_ListRetainedMessages.html
"""

import base64
import json

from bellwire_local.http_messages import HttpAnswer
from bellwire_local.iot import http_calls
from bellwire_local.iot.http_calls import ANY_RESOURCE, PAGE_MAX, Call, not_found
from bellwire_local.iot.retained import RetainedMessage


def get_retained_message(call: Call) -> HttpAnswer:
    """Return `{"topic", "payload": base64, "qos", "lastModifiedTime": ms, "userProperties"}`."""
    call.demand("iot:GetRetainedMessage", f"topic/{call.label}")
    found = call.broker.retained.get(call.label)
    if found is None:
        raise not_found(f"There is no retained message for the topic {call.label!r}")
    shown = {
        "topic": found.message.topic,
        "payload": base64.b64encode(found.message.payload).decode(),
        "qos": found.message.qos,
        "lastModifiedTime": found.modified_at_ms,
        "userProperties": _show_user_properties(found),
    }
    return http_calls.accept(shown)


def list_retained_messages(call: Call) -> HttpAnswer:
    """Return `{"retainedTopics": [{"topic", "payloadSize", …}], "nextToken"}` by topic.

    AWS names no default for `maxResults`; here it is the maximum.
    """
    page = http_calls.read_page(call.query, default=PAGE_MAX)
    call.demand("iot:ListRetainedMessages", ANY_RESOURCE)
    found = call.broker.retained.list(page.after, page.limit + 1)
    shown = [
        {
            "topic": kept.message.topic,
            "payloadSize": len(kept.message.payload),
            "qos": kept.message.qos,
            "lastModifiedTime": kept.modified_at_ms,
        }
        for kept in found[: page.limit]
    ]
    has_more = len(found) > page.limit
    token = http_calls.token_after(found[page.limit - 1].message.topic) if has_more else None
    return http_calls.accept({"retainedTopics": shown, "nextToken": token})


def _show_user_properties(kept: RetainedMessage) -> str | None:
    """Write them as they are sent to Publish: base64 of `[{"name": "value"}, …]`, None if none."""
    pairs = kept.message.properties.user_properties
    if not pairs:
        return None
    listed = [{name: value} for name, value in pairs]
    return base64.b64encode(json.dumps(listed, separators=(",", ":")).encode()).decode()
