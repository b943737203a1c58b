"""A token bucket in one number; time is given."""

_ROUNDING_S = 1e-9


class RateLimiter:
    """Admit `per_s` units a second, and as many at once after a second of rest.

    The bucket is kept as the moment at which it will be full again: one float, whatever the rate.
    """

    __slots__ = ("_full_at_s", "_unit_s")

    def __init__(self, per_s: int) -> None:
        self._unit_s = 1 / per_s
        self._full_at_s = float("-inf")

    def admit(self, now_s: float, units: int = 1) -> bool:
        """Take `units` out of the bucket if they are in it."""
        full_at_s = max(self._full_at_s, now_s) + units * self._unit_s
        if full_at_s > now_s + 1 + _ROUNDING_S:
            return False
        self._full_at_s = full_at_s
        return True

    def overdraw(self, now_s: float, units: int) -> None:
        """Take `units` out although they may not be in it yet."""
        self._full_at_s = max(self._full_at_s, now_s) + units * self._unit_s

    def is_overdrawn(self, now_s: float) -> bool:
        """Whether more was taken than there was, and time has not made up for it."""
        return self._full_at_s > now_s + 1 + _ROUNDING_S

    def is_full(self, now_s: float) -> bool:
        """Whether it could be forgotten: a new one would answer the same."""
        return self._full_at_s <= now_s
