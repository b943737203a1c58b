"""The numbers themselves, what `--limits off` leaves of them, and the token bucket."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.iot.limits import OFF, STRICT, list_quotas
from bellwire_local.iot.rates import RateLimiter


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("client_id_bytes", 128),
        ("topic_bytes", 256),
        ("topic_slashes", 7),
        ("payload_bytes", 131_072),
        ("filters_per_subscribe", 8),
        ("subscriptions_per_connection", 50),
        ("publishes_per_s", 100),
        ("throughput_bytes_per_s", 524_288),
        ("unacknowledged", 100),
        ("connects_per_s", 1),
        ("topic_aliases", 8),
        ("message_expiry_s", 604_800),
        ("policy_characters", 2_048),
        ("policy_versions", 5),
        ("policies_per_target", 10),
        ("policy_attachments_per_s", 15),
    ],
)
def test_strict_numbers_are_those_of_aws(name: str, number: int) -> None:
    assert getattr(STRICT, name) == number


def test_every_quota_has_unit_and_source_and_is_lifted() -> None:
    for declared in list_quotas():
        assert declared.metadata["unit"]
        assert declared.metadata["source"].startswith("https://docs.aws.amazon.com/")
        assert getattr(OFF, declared.name) > getattr(STRICT, declared.name)


def test_without_quotas_one_packet_still_cannot_hold_up_the_others() -> None:
    assert OFF.topic_bytes == 1_024
    assert OFF.client_id_bytes == 1_024
    assert OFF.filters_per_subscribe == 1_000
    assert OFF.subscriptions_per_connection == 1_000


@given(st.lists(st.integers(0, 400), max_size=60))
def test_rate_agrees_with_counted_tokens(pauses_ms: list[int]) -> None:
    """The oracle keeps 5 tokens and gives one back each 200 ms, in whole milliseconds."""
    limiter, tokens_ms, now_ms = RateLimiter(5), 1000, 0
    for pause_ms in pauses_ms:
        now_ms += pause_ms
        tokens_ms = min(1000, tokens_ms + pause_ms)
        is_admitted = tokens_ms >= 200
        tokens_ms -= 200 if is_admitted else 0
        assert limiter.admit(now_ms / 1000) is is_admitted


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200))
def test_no_two_seconds_see_more_than_two_buckets(pauses_ms: list[int]) -> None:
    limiter, now_ms, recent = RateLimiter(10), 0, deque[int]()
    for pause_ms in pauses_ms:
        now_ms += pause_ms
        if limiter.admit(now_ms / 1000):
            recent.append(now_ms)
        while recent and recent[0] <= now_ms - 1000:
            recent.popleft()
        assert len(recent) <= 20


def test_overdrawn_bucket_recovers_with_time() -> None:
    limiter = RateLimiter(100)
    limiter.overdraw(0, 250)
    assert limiter.is_overdrawn(0)
    assert limiter.is_overdrawn(1.4)
    assert not limiter.is_overdrawn(1.5)
    assert not limiter.is_full(1.5)
    assert limiter.is_full(2.5)
