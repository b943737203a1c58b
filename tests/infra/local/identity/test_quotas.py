"""The rate limit against a count of what was admitted."""

from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.identity.quotas import IdentityQuotas, RateLimiter


@given(
    rate=st.integers(1, 50),
    gaps_ms=st.lists(st.integers(0, 400), min_size=1, max_size=200),
)
def test_no_stretch_of_time_admits_more_than_its_rate(rate: int, gaps_ms: list[int]) -> None:
    """In any stretch of t seconds at most a second's worth, and the rate for t, are admitted."""
    limiter = RateLimiter(IdentityQuotas(get_id_per_s=rate))
    now_ms, admitted = 0, []
    for gap_ms in gaps_ms:
        now_ms += gap_ms
        if limiter.admit("GetId", now_ms / 1000):
            admitted.append(now_ms)
    assert admitted[0] == gaps_ms[0]
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            stretch_s = (admitted[last] - admitted[first]) / 1000
            assert last - first + 1 <= rate + rate * stretch_s + 1e-6


def test_a_rate_is_used_in_full_and_refills() -> None:
    limiter = RateLimiter(IdentityQuotas())
    assert [limiter.admit("GetId", 0) for _ in range(26)] == [True] * 25 + [False]
    assert [limiter.admit("GetOpenIdToken", 0) for _ in range(201)] == [True] * 200 + [False]
    assert [limiter.admit("GetId", 0.5) for _ in range(13)] == [True] * 12 + [False]


def test_rates_can_be_lifted() -> None:
    limiter = RateLimiter(IdentityQuotas.unlimited())
    assert all(limiter.admit("GetId", 0) for _ in range(5_000))
