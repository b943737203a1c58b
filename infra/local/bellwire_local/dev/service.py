"""Everything in one process: the stand-in, the log, the handlers behind their front, the demo job.

The composition root: the one place that knows every part.
"""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from starlette.types import ASGIApp

from bellwire.config import key_files
from bellwire.errors import BellwireError, Upstream
from bellwire.fanout import InlineFanOut
from bellwire.handlers.edge import Members
from bellwire.publisher import HttpOutlet, Publisher
from bellwire.sql.engine import open_sqlite
from bellwire.sql.log import SqlLog
from bellwire_local.accounts import Account, PoolSettings
from bellwire_local.aws_http import HttpPort, make_app
from bellwire_local.dev.attending import lifecycle_rule, now_ms
from bellwire_local.dev.deploying import Clients, Parts, make_broker, make_deployment
from bellwire_local.dev.dev_endpoints import (
    credentials_operation,
    login_operation,
    make_dev_operation,
    make_signpost,
)
from bellwire_local.dev.emulating import emulate
from bellwire_local.dev.front import JOINING, Front, Threads
from bellwire_local.dev.gate import Gate
from bellwire_local.dev.host_job import HostJob
from bellwire_local.dev.locking import lock_directory
from bellwire_local.dev.login import open_login
from bellwire_local.dev.outbox import OutboxLoop
from bellwire_local.dev.presence_loop import PresenceLoop
from bellwire_local.dev.roles import PLACE, bellwire_roles
from bellwire_local.dev.settings import (
    ACCOUNT_ID,
    REGION,
    STAGE,
    DevSettings,
    Ready,
    credentials_of_roles,
    credentials_to_wire,
)
from bellwire_local.listening import authority_of, bind
from bellwire_local.stand_in import StandIn, StandInSettings

logger = logging.getLogger(__name__)

# Apart, since whoever publishes may wait for a lock as long as BUSY_TIMEOUT_MS.
READING: Final = 12
WRITING: Final = 12
RETENTION_MS: Final = 6 * 3_600_000  # of a laptop's disk the demo takes some 100 MB
ID_WINDOW_MS: Final = 24 * 3_600_000
EXPIRE_EVERY_S: Final = 60
PROVIDER: Final = "login.bellwire.dev"
"""The identity pool's name for the application's own logins."""


class DevService:
    """The whole service on this machine."""

    def __init__(self, settings: DevSettings) -> None:
        self._settings = settings
        self._until_stopped = AsyncExitStack()
        self._roles: tuple[str, ...] = ()
        self._pool = PoolSettings()

    async def start(self) -> Ready:
        """Open everything; when this returns, every port accepts.

        Raises:
            StandInError: a port is in use, or the data directory cannot be used.
            BellwireError: the log cannot be opened, or the dashboard is not built.
        """
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close everything, in the reverse order."""
        await self._until_stopped.aclose()

    async def _start(self) -> Ready:
        settings, until = self._settings, self._until_stopped
        until.enter_context(lock_directory(settings.data_dir))
        # First, since it is closed last: the stand-in still tells of the connections that it ends.
        joining = until.enter_context(ThreadPoolExecutor(JOINING, thread_name_prefix="joining"))
        stand_in = await self._start_stand_in()
        web = until.enter_context(bind(settings.host, settings.port, "the dashboard and the API"))
        web_url = f"http://{authority_of(web)}"
        stand_in.add_operation("/dev/", make_signpost(web_url))
        reading = until.enter_context(ThreadPoolExecutor(READING, thread_name_prefix="reading"))
        writing = until.enter_context(ThreadPoolExecutor(WRITING, thread_name_prefix="writing"))
        engine, login = self._open_engine(), open_login(settings.data_dir, STAGE)
        log = _log_on(engine)
        clients = Clients(stand_in, WRITING)
        broker = make_broker(clients)
        fan_out = InlineFanOut(log, broker, STAGE)
        deployment = make_deployment(
            Parts(clients, engine, log, fan_out, login, self._pool, web_url)
        )
        key = until.enter_context(_left_key(web.getsockname()[1]))
        credentials = credentials_of_roles(stand_in, self._roles)
        more = {**login_operation(login), **credentials_operation(credentials, key)}
        front = Front(
            deployment,
            gate=Gate(key, stand_in.make_api_authorizer(PLACE.api_id)),
            origin=web_url,
            threads=Threads(reading, writing, joining),
            host=settings.host,
            dev=make_app(make_dev_operation(stand_in, settings.host, more)),
        )
        if deployment.members is not None:
            self._watch_presence(stand_in, deployment.members, joining)
        await self._serve(front.app(), web)
        until.push_async_callback(_cancel, asyncio.create_task(_expire(log)))
        outbox = OutboxLoop(log, broker, fan_out, STAGE, self._log_path)
        until.push_async_callback(_cancel, asyncio.create_task(outbox.run()))
        if settings.has_demo:
            await self._start_demo(web_url, key)
        return Ready(
            web_url=web_url,
            iot_url=stand_in.iot_url,
            aws_url=stand_in.aws_url,
            identity_pool_id=stand_in.identity_pool_id,
            job=credentials_to_wire(stand_in.credentials_for("publisher_role", "job")),
            operator=credentials_to_wire(stand_in.credentials_for("operator_role", "operator")),
            credentials=credentials,
            pid=os.getpid(),
            iot_tls_url=stand_in.iot_tls_url,
            ca_path=stand_in.ca_path,
        )

    async def _start_stand_in(self) -> StandIn:
        settings = self._settings
        base = StandInSettings(
            data_dir=settings.data_dir,
            accounts={ACCOUNT_ID: Account(bellwire_roles())},
            pool=PoolSettings(
                authenticated_role="member_role",
                developer_provider=PROVIDER,
                has_classic_flow=False,  # by it an older token makes a newer one
            ),
            region=REGION,
            account_id=ACCOUNT_ID,
            host=settings.host,
            iot_port=settings.iot_port,
            aws_port=settings.aws_port,
        )
        told = emulate(base, settings.emulation)
        self._roles, self._pool = tuple(told.accounts[ACCOUNT_ID].roles), told.pool
        stand_in = StandIn(told)
        await stand_in.start()
        self._until_stopped.push_async_callback(stand_in.stop)
        return stand_in

    def _watch_presence(self, stand_in: StandIn, members: Members, threads: Executor) -> None:
        stand_in.add_rule(lifecycle_rule(members, threads))
        loop = PresenceLoop(members.presence, members.bouncer.connections, STAGE, now_ms)
        self._until_stopped.push_async_callback(_cancel, asyncio.create_task(loop.run()))

    @property
    def _log_path(self) -> Path:
        return self._settings.data_dir / "log.db"

    def _open_engine(self) -> Engine:
        engine = open_sqlite(self._log_path, pool_size=READING + WRITING + JOINING)
        self._until_stopped.callback(engine.dispose)
        return engine

    async def _serve(self, app: ASGIApp, bound: socket.socket) -> None:
        port = HttpPort(app)
        await port.listen(bound)
        self._until_stopped.push_async_callback(port.close)

    async def _start_demo(self, web_url: str, key: str) -> None:
        demo = HostJob(Publisher(HttpOutlet(web_url, key)))
        demo.start()
        # In a thread: the job's last publish needs this loop to answer it.
        self._until_stopped.push_async_callback(asyncio.to_thread, demo.stop)


def _log_on(engine: Engine) -> SqlLog:
    return SqlLog(
        engine,
        retention_ms=RETENTION_MS,
        id_window_ms=ID_WINDOW_MS,
        now_ms=lambda: time.time_ns() // 1_000_000,
        noise=secrets.token_bytes,
    )


@contextmanager
def _left_key(port: int) -> Iterator[str]:
    """Leave a fresh key where only this user's command line finds it, for as long as we run.

    In each of the places: a cron job of the same user has no runtime directory.
    """
    paths, key = key_files(port), secrets.token_urlsafe(32)
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.unlink(missing_ok=True)
            path.touch(mode=0o600)
            path.write_text(key)
        except OSError as error:
            raise Upstream(f"cannot leave the command line's key in {path}: {error}") from error
    try:
        yield key
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


async def _expire(log: SqlLog) -> None:
    while True:
        await asyncio.sleep(EXPIRE_EVERY_S)
        try:
            await asyncio.to_thread(log.expire)
        except BellwireError as error:
            logger.warning("deleting old updates failed, will try again: %s", error.message)
        except Exception:
            logger.exception("deleting old updates met what nobody foresaw")


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
