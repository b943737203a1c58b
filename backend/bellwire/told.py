"""What a follower of channels is told, one at a time and in order."""

from dataclasses import dataclass

from bellwire.updates import Position, Update


@dataclass(frozen=True, slots=True)
class Told:
    """One update of a channel, in order; None: continuity was lost before the next one."""

    channel: str
    epoch: str
    update: Update | None

    @property
    def position(self) -> Position | None:
        """From where to go on after this update; None where continuity was lost."""
        return None if self.update is None else Position(self.epoch, self.update.seq)
