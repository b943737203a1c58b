"""Channel names against the shared rows."""

from typing import Any

import pytest

from bellwire.channels import check_channel, check_stage, is_public, resolve_me, topic_of
from bellwire.errors import BadChannel, Malformed
from shared_rows import name_of, rows


@pytest.mark.parametrize("row", rows("channels", "valid"), ids=name_of)
def test_a_valid_channel_has_its_topic(row: dict[str, str]) -> None:
    assert topic_of("dev", check_channel(row["channel"])) == row["topic"]


@pytest.mark.parametrize("row", rows("channels", "invalid"), ids=name_of)
def test_an_invalid_channel_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(BadChannel):
        check_channel(row["channel"])


@pytest.mark.parametrize("stage", ["", "Dev", "a" * 17, "a/b", "dev\n"])
def test_a_stage_outside_the_grammar_is_refused(stage: str) -> None:
    with pytest.raises(Malformed, match="expected a stage"):
        check_stage(stage)


def test_me_is_the_callers_own_identity() -> None:
    assert resolve_me("user/me/inbox/new", "us-east-1:1") == "user/us-east-1:1/inbox/new"
    assert resolve_me("user/me/inbox", None) == "user/me/inbox"
    assert resolve_me("public/me/inbox", "us-east-1:1") == "public/me/inbox"


def test_only_the_public_namespace_is_public() -> None:
    assert is_public("public/a")
    assert not is_public("user/a/public")
