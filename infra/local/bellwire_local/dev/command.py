"""`bellwire dev`: its words, and how its start and its end look in a terminal.

Every `bellwire` command reads these words, so what only a running service needs is imported when
it runs: `bellwire publish` starts three times as fast for it.
"""

import argparse
import json
import sys

from bellwire.config import DEFAULT_URL, URL_NAME, default_data_dir
from bellwire_local.dev import words
from bellwire_local.dev.settings import DevSettings, Ready
from bellwire_local.errors import ChoiceRefused, StandInError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's words."""
    parser.add_argument("--port", type=words.port, default=8080, help="dashboard and API; 0: any")
    words.add_listening_words(parser)
    parser.add_argument("--aws-port", type=words.port, default=8082, help="AWS's HTTP endpoints")
    parser.add_argument(
        "--no-demo", action="store_true", help="do not publish this machine's pulse"
    )
    words.add_emulation_words(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run until Ctrl-C or SIGTERM."""
    try:
        return _run_with(options)
    except ChoiceRefused as error:
        print(f"bellwire: {error}", file=sys.stderr)
        return 2
    except StandInError as error:
        print(f"bellwire: {error}", file=sys.stderr)
        return 1


def _run_with(options: argparse.Namespace) -> int:
    settings = DevSettings(
        data_dir=(options.data or default_data_dir()).expanduser().absolute(),
        host=options.host,
        port=options.port,
        iot_port=options.iot_port,
        aws_port=options.aws_port,
        has_demo=not options.no_demo,
        emulation=words.emulation_of(options),
    )
    words.prepare_process(options.host, "bellwire")
    import uvloop  # noqa: PLC0415 - see the module docstring

    uvloop.run(_run(settings, is_json=options.json))
    return 0


async def _run(settings: DevSettings, *, is_json: bool) -> None:
    from bellwire_local.dev.service import DevService  # noqa: PLC0415 - see the module docstring

    stopping = words.listen_for_signals()
    service = DevService(settings)
    ready = await service.start()
    print(json.dumps(ready.to_wire()) if is_json else _welcome(ready, settings), flush=True)
    await words.run_until_told(service.stop, stopping)
    if not is_json:
        print("Stopped.", flush=True)


def _welcome(ready: Ready, settings: DevSettings) -> str:
    where = "" if ready.web_url == DEFAULT_URL else f"{URL_NAME}={ready.web_url} "
    secure = f"""
    AWS IoT, TLS  {ready.iot_tls_url}   (trust {ready.ca_path})"""
    secure = "" if ready.iot_tls_url is None else secure
    return f"""
  Bellwire is running on this machine.

    Dashboard     {ready.web_url}/
    API           {ready.web_url}/v1/
    AWS IoT       {ready.iot_url}   (stand-in)
    AWS           {ready.aws_url}   (stand-in: Cognito Identity, STS, both IoT APIs){secure}
    Data          {settings.data_dir}

  In a second terminal:

    {where}.venv/bin/bellwire publish public/news '{{"title":"hello"}}' --event
    {where}.venv/bin/bellwire tail public/host
    {where}.venv/bin/bellwire token alice          a login token, for BELLWIRE_TOKEN

  Ctrl-C stops it.
"""
