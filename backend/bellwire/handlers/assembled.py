"""A deployment that is put together at once, as in one process and in tests.

A function on AWS makes only what it comes to use: `bellwire.functions`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bellwire.bearers import Bearers
from bellwire.fanout import FanOut
from bellwire.identity_ports import Directory, Identities, PresenceStore
from bellwire.logins import Logins
from bellwire.policies import Document, Place
from bellwire.ports import Appends, Reads
from bellwire.revocation import Bouncer
from bellwire.sessions import Membership
from bellwire.wire_json import Json


@dataclass(frozen=True, slots=True)
class AssembledMembers:
    """See `edge.Members`."""

    logins: Logins
    made_of: Membership
    bouncer: Bouncer
    pool_id: str
    presence: PresenceStore
    presence_namespaces: frozenset[str]

    @property
    def bearers(self) -> Bearers:
        """See `edge.Members`."""
        return self.made_of.bearers

    @property
    def directory(self) -> Directory:
        """See `edge.Members`."""
        return self.made_of.directory


@dataclass(frozen=True, slots=True)
class AssembledDeployment:
    """See `edge.Deployment`."""

    place: Place
    log: Reads
    appends: Appends
    fan_out: FanOut
    identities: Identities
    guest_role: Document | None
    config: Mapping[str, Json]
    poll_after_ms: int = 2_000
    members: AssembledMembers | None = None
    now_s: Callable[[], float] = time.time
