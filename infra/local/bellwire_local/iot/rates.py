"""A token bucket in one number; time is given."""

_BURST_S = 1 + 1e-9
"""One second, and what rounding takes."""


class RateLimiter:
    """Admit `per_s` units a second, and as many at once after a second of rest.

    The bucket is kept as the moment at which it will be full again: one float, whatever the rate.
    """

    __slots__ = ("_full_at_s", "_unit_s")

    def __init__(self, per_s: int) -> None:
        self._unit_s = 1 / per_s
        self._full_at_s = float("-inf")

    def admit(self, now_s: float) -> bool:
        """Take one unit out of the bucket if it is in it. Called at each delivery."""
        full_at_s = self._full_at_s
        if full_at_s < now_s:  # max() would take as long as all the rest
            full_at_s = now_s
        full_at_s += self._unit_s
        if full_at_s > now_s + _BURST_S:
            return False
        self._full_at_s = full_at_s
        return True

    def overdraw(self, now_s: float, units: int) -> None:
        """Take `units` out although they may not be in it yet."""
        self._full_at_s = max(self._full_at_s, now_s) + units * self._unit_s

    def is_overdrawn(self, now_s: float) -> bool:
        """Whether more was taken than there was, and time has not made up for it."""
        return self._full_at_s > now_s + _BURST_S

    def is_full(self, now_s: float) -> bool:
        """Whether it could be forgotten: a new one would answer the same."""
        return self._full_at_s <= now_s


class KeyedRates:
    """A rate for each key, such as a client id; what is at rest takes no memory for long."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._limiters: dict[str, RateLimiter] = {}

    def admit(self, key: str, now_s: float) -> bool:
        """Take one unit of this key's rate if it is there."""
        limiter = self._limiters.setdefault(key, RateLimiter(self._per_s))
        return limiter.admit(now_s)

    def forget(self, now_s: float) -> None:
        """Drop the keys that are at rest."""
        for key in [name for name, limiter in self._limiters.items() if limiter.is_full(now_s)]:
            del self._limiters[key]
