"""Brings faults into force everywhere at once, and ends them, while clients are connected."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Final

from bellwire_local.fault_plan import FaultPlan
from bellwire_local.faults import Faults
from bellwire_local.identity.credentials import CredentialIssuer
from bellwire_local.iot.authorization import Authorizer
from bellwire_local.iot.broker import Broker, Connection
from bellwire_local.iot.misdelivery import Misannouncement, Misdelivery
from bellwire_local.iot.session import DisconnectReason

logger = logging.getLogger(__name__)

ASKED_FOR: Final = "a fault that was asked for"


class FaultsInForce:
    """The one switch; to be used inside the loop in which the brokers live."""

    def __init__(
        self,
        brokers: Iterable[Broker],
        authorizers: Iterable[Authorizer],
        issuer: CredentialIssuer,
        wall_clock_s: Callable[[], float],
    ) -> None:
        self._brokers = tuple(brokers)
        self._authorizers = tuple(authorizers)
        self._issuer = issuer
        self._wall_clock_s = wall_clock_s
        self._numbers = itertools.count(1)
        self.plan: FaultPlan | None = None

    def set(self, faults: Faults | None) -> None:
        """Replace what goes wrong from now on; None: nothing does. First comes what was held."""
        self.plan = None if faults is None else FaultPlan(faults)
        self._numbers = itertools.count(1)
        self._issuer.shorten(None if faults is None else faults.expire_credentials_s)
        propagation_s = 0.0 if faults is None else faults.propagation_s or 0.0
        for authorizer in self._authorizers:
            authorizer.propagation_s = propagation_s
        for broker in self._brokers:
            if isinstance(broker.announcer, Misannouncement):
                broker.announcer.release()
            broker.announcer = broker.publish
            if self.plan is not None:
                loop = asyncio.get_running_loop()
                broker.announcer = Misannouncement(broker.publish, self.plan, loop)
            for connection in broker.connections:
                self._restore(connection)
                self.trouble(broker, connection)
        if faults is None:
            logger.warning("no faults any more")
        else:
            logger.warning("faults in force, to be repeated by --faults %s", faults.to_words())

    def cut(self) -> int:
        """End every connection, once; return how many there were."""
        reason = DisconnectReason.SERVER_INITIATED_DISCONNECT
        return sum(self._end_all(broker, broker.connections, reason) for broker in self._brokers)

    def expire(self) -> int:
        """End the temporary credentials that are out, and the connections that they opened.

        Returns: how many connections that were. AWS leaves them open, as `close_at_expiry` tells.
        """
        self._issuer.expire(self._wall_clock_s())
        ended = 0
        for broker in self._brokers:
            opened = [each for each in broker.connections if each.expires_at is not None]
            ended += self._end_all(broker, opened, DisconnectReason.AUTH_ERROR)
        return ended

    def trouble(self, broker: Broker, connection: Connection) -> None:
        """Bring the faults in force to a connection; to be called when one opens."""
        plan = self.plan
        if plan is None:
            return
        faults, loop = plan.faults, asyncio.get_running_loop()
        reason = DisconnectReason(faults.cut_reason)
        end = partial(self._end, plan, broker, connection)
        connection.outlet = Misdelivery(
            connection.outlet,
            plan.on_connection(next(self._numbers)),
            loop,
            session=lambda: connection.session,
            end=partial(end, reason),
            late_start_s=faults.late_start_s,
        )
        if faults.cut_after_s is not None:
            loop.call_later(faults.cut_after_s, end, reason)
        if faults.ttl_s is not None:
            loop.call_later(faults.ttl_s, end, DisconnectReason.WEBSOCKET_TTL_EXPIRATION)
        expires_at = connection.expires_at
        if faults.close_at_expiry and expires_at is not None:
            left_s = max(0, expires_at - self._wall_clock_s())
            loop.call_later(left_s, end, DisconnectReason.AUTH_ERROR)

    def _end_all(
        self, broker: Broker, connections: Collection[Connection], reason: DisconnectReason
    ) -> int:
        for connection in connections:
            broker.end(connection, reason, ASKED_FOR)
        return len(connections)

    def _end(
        self, plan: FaultPlan, broker: Broker, connection: Connection, reason: DisconnectReason
    ) -> None:
        if self.plan is plan:
            broker.end(connection, reason, ASKED_FOR)

    def _restore(self, connection: Connection) -> None:
        troubled = connection.outlet
        if isinstance(troubled, Misdelivery):
            connection.outlet = troubled.outlet
            troubled.release()
