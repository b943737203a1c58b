"""`--choices`: each choice by its word, and what cannot be chosen."""

from dataclasses import fields
from pathlib import Path

import pytest

from bellwire_local.accounts import PoolSettings
from bellwire_local.dev.emulating import emulate
from bellwire_local.dev.settings import Emulation
from bellwire_local.errors import ChoiceRefused
from bellwire_local.iot.admission import EdgeChoices
from bellwire_local.iot.authorization import PolicyChoices
from bellwire_local.iot.choices import Choices
from bellwire_local.stand_in import StandInSettings

BASE = StandInSettings(data_dir=Path("unused"))
WORDS: dict[str, tuple[str, dict[str, object]]] = {
    "denied_subscribe": ("choices", {"0x80": "0x80", "close": "close"}),
    "denied_qos1_publish_v5": ("choices", {"puback": "puback", "disconnect": "disconnect"}),
    "denied_qos0_publish_v5": ("choices", {"disconnect": "disconnect", "drop": "drop"}),
    "beyond_50": ("choices", {"code": "code", "close": "close"}),
    "overlapping": ("choices", {"one": "one", "each": "each"}),
    "packets_before_connack": ("choices", {"close": "close", "answer": "answer"}),
    "redelivers_to_v5": ("choices", {"true": True, "false": False}),
    "close_frame_is_initiated": ("choices", {"true": True, "false": False}),
    "unsigned_https": ("choices", {"403": "403", "401": "401"}),
    "expired_url_status": ("edge", {"403": 403, "426": 426}),
    "sub_protocol": ("edge", {"optional": "optional", "required": "required"}),
    "close_code": ("edge", {str(code): code for code in (0, 1000, 1001, 1002, 1008, 1011)}),
    "developer_tokens_need_classic_flow": ("pool", {"true": True, "false": False}),
    "tokens_renew_themselves": ("pool", {"true": True, "false": False}),
    "tokens_outlive_unlinking": ("pool", {"true": True, "false": False}),
    "throttled_status": ("pool", {"400": 400, "429": 429}),
    "basic_flow_needs_iot_policy": ("policy_choices", {"true": True, "false": False}),
    "cognito_sub_in_iot_policies": ("policy_choices", {"true": True, "false": False}),
    "retain_publish_needs_iot_policy": ("policy_choices", {"true": True, "false": False}),
}


@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_choice_is_taken_by_its_word(name: str) -> None:
    holder, values = WORDS[name]
    for text, value in values.items():
        settings = emulate(BASE, Emulation(choices=(f"{name}={text}",)))
        found = getattr(getattr(settings, holder), name)
        assert (found, type(found)) == (value, type(value))


def test_no_choice_is_without_a_word() -> None:
    pool = {each.name for each in fields(PoolSettings)} - {
        *("unauthenticated_role", "authenticated_role", "developer_provider", "providers"),
        "has_classic_flow",
    }
    assert pool <= set(WORDS)
    for kind in (Choices, EdgeChoices, PolicyChoices):
        assert {each.name for each in fields(kind)} <= set(WORDS)


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("close_code=7", "close_code is '7'; expected 0 or 1000 or 1001 or 1002 or 1008 or 1011"),
        ("sub_protocol=never", "sub_protocol is 'never'; expected optional or required"),
        ("redelivers_to_v5=yes", "redelivers_to_v5 is 'yes'; expected true or false"),
        ("throttled_status=500", "throttled_status is '500'; expected 400 or 429"),
    ],
)
def test_another_value_is_refused(word: str, complaint: str) -> None:
    with pytest.raises(ChoiceRefused) as refused:
        emulate(BASE, Emulation(choices=(word,)))
    assert str(refused.value) == complaint
