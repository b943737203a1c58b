"""What a walk is told: where everything is, who is there and what they hold. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Literal

from bellwire.doctor.truth_table import Who
from bellwire.identity_ports import Keys

Need = Literal["keys", "bearer", "login", "nothing"]
"""What an actor tries something with: AWS keys, a session's token, a login's, or neither."""


@dataclass(frozen=True, slots=True)
class Actor:
    """What one of the table's actors holds.

    Attributes:
        bearer: the token of a session.
        login: what they open sessions with.
        missing: why, where something is None.
        is_broken: whether it should have been there.
    """

    identity_id: str | None = None
    keys: Keys | None = None
    bearer: str | None = field(default=None, repr=False)
    login: str | None = field(default=None, repr=False)
    groups: tuple[str, ...] = ()
    missing: str = ""
    is_broken: bool = False

    def holds(self, need: Need) -> bool:
        """Tell whether they have it."""
        return need == "nothing" or getattr(self, need) is not None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """URLs without a slash at the end; `mqtt` is that of the websocket."""

    api: str
    mqtt: str
    data_plane: str
    control_plane: str
    cognito: str
    sts: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A deployment with the actors in it.

    Attributes:
        names: what the placeholders of targets stand for, but for `fresh`.
        made_up: those of the names whose identity is nobody's.
        settle_s: how long a change of policies may take to come into force.
    """

    region: str
    stage: str
    endpoints: Endpoints
    names: Mapping[str, str]
    actors: Mapping[Who, Actor]
    made_up: frozenset[str] = frozenset()
    has_guests: bool = True
    settle_s: float = 0.0

    def can_fill(self, target: str) -> bool:
        """Tell whether it is known what a target's placeholders stand for."""
        return _named_in(target) <= {*self.names, "fresh"}

    def is_made_up(self, target: str) -> bool:
        """Tell whether a target names somebody who never was."""
        return bool(_named_in(target) & self.made_up)

    def fill(self, target: str, fresh: str) -> str:
        """Put what they stand for in the place of a target's placeholders."""
        return target.format_map({**self.names, "fresh": fresh})


def _named_in(target: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(target) if name is not None}
