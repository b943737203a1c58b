"""AWS IoT's control plane as a test sees it: what is attached to whom, and calls that fail."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bellwire.errors import TooMany
from bellwire.grants import Grant


@dataclass
class AttachedPolicies:
    """A `Grants` that keeps what it is told; `before` runs ahead of each call."""

    attached: dict[str, set[str]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    failing: int = 0

    def attach(self, identity_id: str, grant: Grant) -> None:
        self._call("attach", grant.name)
        self.attached.setdefault(identity_id, set()).add(grant.name)

    def detach(self, identity_id: str, name: str) -> None:
        self._call("detach", name)
        self.attached.setdefault(identity_id, set()).discard(name)

    def of(self, identity_id: str) -> set[str]:
        """Name what is attached, without the stage and the hash: `{"member", "group.red"}`."""
        return {short(name) for name in self.attached.get(identity_id, set())}

    def _call(self, what: str, name: str) -> None:
        self.before()
        if self.failing > 0:
            self.failing -= 1
            raise TooMany("AWS changes no more policies", 1)
        self.calls.append((what, short(name)))


def short(name: str) -> str:
    return name.removeprefix("bellwire.dev.").rpartition(".")[0]
