"""One thing behind its successor: what out-of-order messages and events have in common."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_OVERTAKEN_WAIT_S: Final = 1.0
"""How long a thing waits for the one that is to overtake it before it goes all the same. Ours."""


class Overtaking(Generic[T]):
    """Hands things on in their order, but for one that waits until its successor is through."""

    def __init__(self, hand_on: Callable[[T], object], loop: asyncio.AbstractEventLoop) -> None:
        self._hand_on = hand_on
        self._loop = loop
        self._overtaken: Sequence[T] = ()
        self._timer: asyncio.TimerHandle | None = None

    def pass_on(self, copies: Sequence[T], *, is_overtaken: bool) -> None:
        """Hand on one thing; without a copy it is lost and overtakes nothing."""
        if not copies:
            return
        if is_overtaken and not self._overtaken:
            self._overtaken = copies
            self._timer = self._loop.call_later(_OVERTAKEN_WAIT_S, self.release)
            return
        for each in copies:
            self._hand_on(each)
        self.release()

    def release(self) -> None:
        """Hand on what waits for its successor."""
        overtaken = self._overtaken
        self.forget()
        for each in overtaken:
            self._hand_on(each)

    def forget(self) -> None:
        """Lose what waits for its successor."""
        self._overtaken = ()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
