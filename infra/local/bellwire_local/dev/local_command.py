"""`bellwire-local`: AWS IoT Core and Cognito on this machine, and nothing of Bellwire."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_state_path

from bellwire.config import LOOPBACK
from bellwire_local.accounts import Account
from bellwire_local.dev import words
from bellwire_local.dev.log_lines import FORM
from bellwire_local.dev.roles import bellwire_roles, read_roles
from bellwire_local.dev.settings import ACCOUNT_ID, REGION, STAGE, Emulation, credentials_of_roles
from bellwire_local.errors import ChoiceRefused, StandInError

if TYPE_CHECKING:
    from bellwire_local.stand_in import StandIn, StandInSettings

PROGRAM = "bellwire-local"


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What the stand-in alone is told."""

    data_dir: Path
    host: str
    iot_port: int
    aws_port: int
    roles_dir: Path | None
    emulation: Emulation


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM; return the exit code."""
    try:
        return _run_with(_parser().parse_args(arguments))
    except ChoiceRefused as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    except StandInError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1


def _run_with(options: argparse.Namespace) -> int:
    logging.basicConfig(format=FORM, level=logging.WARNING)
    words.prepare_process(options.host, PROGRAM)
    data_dir = options.data or user_state_path("bellwire-local", appauthor=False)
    settings = LocalSettings(
        data_dir=data_dir.expanduser().absolute(),
        host=options.host,
        iot_port=options.iot_port,
        aws_port=options.port,
        roles_dir=options.roles,
        emulation=words.emulation_of(options),
    )
    import uvloop  # noqa: PLC0415 - not for those who ask for --help

    uvloop.run(_run(settings, is_json=options.json))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="AWS IoT Core, Cognito Identity and STS on this machine, as strict as AWS.",
        epilog="Point an SDK here by endpoint_url or AWS_ENDPOINT_URL; the keys are printed.",
    )
    parser.add_argument(
        "--port", type=words.port, default=8082, help="AWS's HTTP endpoints; 8082; 0: any"
    )
    words.add_listening_words(parser)
    parser.add_argument(
        "--roles",
        type=words.directory,
        metavar="DIR",
        help="IAM roles: NAME.json, and NAME.trust.json who may assume it; Bellwire's own if left",
    )
    words.add_emulation_words(parser)
    return parser


async def _run(settings: LocalSettings, *, is_json: bool) -> None:
    from bellwire_local.dev.locking import lock_directory  # noqa: PLC0415 - as above

    stopping = words.listen_for_signals()
    with lock_directory(settings.data_dir):
        told = _settings_of(settings)
        _warn_of_missing_guest_role(told)
        stand_in = await _start(told)
        ready = _ready(stand_in, told.accounts[ACCOUNT_ID].roles)
        print(json.dumps(ready) if is_json else _welcome(ready, told), flush=True)
        await words.run_until_told(stand_in.stop, stopping)
    if not is_json:
        print("Stopped.", flush=True)


def _settings_of(settings: LocalSettings) -> "StandInSettings":
    from bellwire_local.dev.emulating import emulate  # noqa: PLC0415 - as above
    from bellwire_local.stand_in import StandInSettings  # noqa: PLC0415 - as above

    roles = bellwire_roles() if settings.roles_dir is None else read_roles(settings.roles_dir)
    base = StandInSettings(
        data_dir=settings.data_dir,
        accounts={ACCOUNT_ID: Account(roles)},
        region=REGION,
        account_id=ACCOUNT_ID,
        host=settings.host,
        iot_port=settings.iot_port,
        aws_port=settings.aws_port,
    )
    return emulate(base, settings.emulation)


def _warn_of_missing_guest_role(settings: "StandInSettings") -> None:
    name = settings.pool.unauthenticated_role
    if name is not None and name not in settings.accounts[ACCOUNT_ID].roles:
        warning = (
            f"{PROGRAM}: warning: there is no role {name}, so guests get no credentials; add "
            f"{name}.json to the roles, or say by --setup that the pool has no guests"
        )
        print(warning, file=sys.stderr)


async def _start(settings: "StandInSettings") -> "StandIn":
    from bellwire_local.dev.dev_endpoints import make_dev_operation  # noqa: PLC0415 - as above
    from bellwire_local.stand_in import StandIn  # noqa: PLC0415 - as above

    stand_in = StandIn(settings)
    stand_in.add_operation("/dev/", make_dev_operation(stand_in, settings.host))
    await stand_in.start()
    return stand_in


def _ready(stand_in: "StandIn", roles: Iterable[str]) -> dict[str, Any]:
    credentials = credentials_of_roles(stand_in, roles)
    return {
        "ready": True,
        "iot": stand_in.iot_url,
        "aws": stand_in.aws_url,
        "region": REGION,
        "stage": STAGE,
        "identity_pool_id": stand_in.identity_pool_id,
        "job": credentials.get("publisher_role"),
        "operator": credentials.get("operator_role"),
        "credentials": credentials,
        "iot_tls": stand_in.iot_tls_url,
        "ca": None if stand_in.ca_path is None else str(stand_in.ca_path),
        "pid": os.getpid(),
    }


def _welcome(ready: Mapping[str, Any], settings: "StandInSettings") -> str:
    secure = f"""
    AWS IoT, TLS  {ready["iot_tls"]}
    Trust         {ready["ca"]}"""
    why = f"""
  Why was that refused?   curl -s {ready["aws"]}/dev/decisions"""
    held = "\n".join(
        f"    {name:<16}{key['access_key_id']}  {key['secret_access_key']}"
        for name, key in ready["credentials"].items()
    )
    return f"""
  AWS IoT Core and Cognito Identity are on this machine.

    AWS IoT       {ready["iot"]}{secure if ready["iot_tls"] else ""}
    AWS           {ready["aws"]}   (Cognito Identity, STS, both IoT APIs)
    Identity pool {ready["identity_pool_id"]}
    Data          {settings.data_dir}

  Keys, good on this machine alone:

{held}
{why if settings.host in LOOPBACK else ""}
  Ctrl-C stops it.
"""


if __name__ == "__main__":
    sys.exit(main())
