"""The words that `bellwire dev` and `bellwire-local` share, and what is the same in their running.

Every `bellwire` command reads these words, so nothing here imports what only a running one needs.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from bellwire.config import LOOPBACK
from bellwire_local.dev.log_lines import keep_to_lines
from bellwire_local.dev.settings import Emulation
from bellwire_local.errors import ChoiceRefused, FaultsRefused
from bellwire_local.faults import PRESETS, Faults, read_faults

IOT_TLS_PORT = 8443
OPEN_FILES = 65_536
"""How many sockets and files we ask the system for; it may allow fewer."""


def add_listening_words(parser: argparse.ArgumentParser) -> None:
    """Describe where to listen, what to keep and how to say that it is ready."""
    parser.add_argument(
        "--host", type=host, default="127.0.0.1", help="address to listen on; 127.0.0.1"
    )
    parser.add_argument(
        "--iot-port", type=port, default=8081, help="MQTT over WebSocket; 8081; 0: any"
    )
    parser.add_argument("--data", type=directory, metavar="DIR", help="holds what outlives a run")
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready")


def add_emulation_words(parser: argparse.ArgumentParser) -> None:
    """Describe how AWS is to be imitated."""
    parser.add_argument("--tls", action="store_true", help="MQTT over wss:// as well")
    parser.add_argument(
        "--iot-tls-port",
        type=port,
        help=f"for --tls: {IOT_TLS_PORT}, or any if --iot-port is 0",
    )
    parser.add_argument(
        "--setup",
        type=file,
        metavar="FILE",
        help="JSON: the identity pool's settings and logins, further roles and accounts",
    )
    parser.add_argument(
        "--limits",
        choices=("strict", "off"),
        default="strict",
        help="off lifts AWS's quotas, never signatures or policies",
    )
    parser.add_argument(
        "--faults",
        type=_faults,
        metavar="SPEC",
        help=f"what is to go wrong: {', '.join(PRESETS)}, or drop=0.1,delay=50..200ms,seed=7",
    )
    parser.add_argument(
        "--choices",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="what to do where AWS's behaviour is not known",
    )


def emulation_of(options: argparse.Namespace) -> Emulation:
    """Gather what `add_emulation_words` described.

    Raises:
        ChoiceRefused: a word needs another that is missing.
    """
    tls_port = options.iot_tls_port
    if tls_port is not None and not options.tls:
        raise ChoiceRefused("--iot-tls-port is for --tls, which is not there; expected both")
    if tls_port is None:
        tls_port = IOT_TLS_PORT if options.iot_port else 0
    return Emulation(
        iot_tls_port=tls_port if options.tls else None,
        has_limits=options.limits == "strict",
        faults=options.faults,
        choices=tuple(options.choices),
        setup=options.setup,
    )


def prepare_process(host: str, program: str) -> None:
    """Make files private, sockets plenty, the log terse and in lines; warn if others reach us."""
    os.umask(0o077)  # the log holds what its readers are checked for
    keep_to_lines()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # garbage on a port is no news
    _ask_for_open_files()
    if host not in LOOPBACK:
        warning = f"{program}: warning: listening on {host}, where others can reach it"
        print(warning, file=sys.stderr)


async def run_until_told(stop: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
    """Wait for Ctrl-C or SIGTERM, then stop."""
    try:
        await stopping.wait()
    finally:
        await stop()


def listen_for_signals() -> asyncio.Event:
    """Return what Ctrl-C and SIGTERM set from now on."""
    stopping = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    return stopping


def port(text: str) -> int:
    """Read a port."""
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {text!r}")
    return int(text)


def directory(text: str) -> Path:
    """Read the name of a folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a folder, found an empty name")
    return Path(text)


def host(text: str) -> str:
    """Read an address; an empty one would be all of this machine's."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected an address such as 127.0.0.1, found none")
    return text


def file(text: str) -> Path:
    """Read the name of a file."""
    if not text:
        raise argparse.ArgumentTypeError("expected a file, found an empty name")
    return Path(text)


def _faults(text: str) -> Faults | None:
    try:
        return read_faults(text, fresh_seed=secrets.randbelow(1_000_000))
    except FaultsRefused as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _ask_for_open_files() -> None:
    """Source: macOS gives a process 256 files, Linux 1024, unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
