"""`bellwire dev`: its words, and how its start and its end look in a terminal.

Every `bellwire` command reads these words, so what only a running service needs is imported when
it runs: `bellwire publish` starts three times as fast for it.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

from bellwire.config import DEFAULT_URL, LOOPBACK, URL_NAME, default_data_dir
from bellwire_local.dev.settings import DevSettings, Ready
from bellwire_local.errors import StandInError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's words."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=8080, help="dashboard and API; 0: any")
    parser.add_argument("--iot-port", type=_port, default=8081, help="MQTT over WebSocket")
    parser.add_argument("--aws-port", type=_port, default=8082, help="AWS's HTTP endpoints")
    parser.add_argument("--data", type=_directory, metavar="DIR", help="holds the log and the keys")
    parser.add_argument(
        "--no-demo", action="store_true", help="do not publish this machine's pulse"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run until Ctrl-C or SIGTERM."""
    settings = DevSettings(
        data_dir=(options.data or default_data_dir()).expanduser().absolute(),
        host=options.host,
        port=options.port,
        iot_port=options.iot_port,
        aws_port=options.aws_port,
        has_demo=not options.no_demo,
    )
    os.umask(0o077)  # the log holds what its readers are checked for
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # garbage on a port is no news
    if options.host not in LOOPBACK:
        print(
            f"bellwire: warning: listening on {options.host}, where others can reach it",
            file=sys.stderr,
        )
    import uvloop  # noqa: PLC0415 - see the module docstring

    try:
        uvloop.run(_run(settings, is_json=options.json))
    except StandInError as error:
        print(f"bellwire: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(settings: DevSettings, *, is_json: bool) -> None:
    from bellwire_local.dev.service import DevService  # noqa: PLC0415 - see the module docstring

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    service = DevService(settings)
    ready = await service.start()
    print(json.dumps(ready.to_wire()) if is_json else _welcome(ready, settings), flush=True)
    try:
        await stopping.wait()
    finally:
        await service.stop()
    if not is_json:
        print("Stopped.", flush=True)


def _welcome(ready: Ready, settings: DevSettings) -> str:
    where = "" if ready.web_url == DEFAULT_URL else f"{URL_NAME}={ready.web_url} "
    return f"""
  Bellwire is running on this machine.

    Dashboard     {ready.web_url}/
    API           {ready.web_url}/v1/
    AWS IoT       {ready.iot_url}   (stand-in)
    AWS           {ready.aws_url}   (stand-in: Cognito Identity, IoT data plane)
    Data          {settings.data_dir}

  In a second terminal:

    {where}.venv/bin/bellwire publish public/news '{{"title":"hello"}}' --event
    {where}.venv/bin/bellwire tail public/host

  Ctrl-C stops it.
"""


def _directory(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected a folder, found an empty name")
    return Path(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {text!r}")
    return int(text)
