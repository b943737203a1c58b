"""The command line `bellwire`: words in, one use of the library, lines out.

Exit codes: 0 done, 1 failed (one line on stderr), 2 wrong usage.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from bellwire.commands import doctor, kick, presence, publish, tail, token
from bellwire.errors import BellwireError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # what is tried again is no news
    try:
        code: int = options.run(options)
    except BellwireError as error:
        return _fail(error.message)
    except BrokenPipeError:
        _abandon_stdout()  # whoever read us has gone, and there is nobody to tell
        return 1
    except ModuleNotFoundError as error:
        return _fail(f"this needs the package {error.name}: pip install 'bellwire[local]'")
    except OSError as error:
        _abandon_stdout()
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130
    return code


def _fail(message: str) -> int:
    print(f"bellwire: {message}", file=sys.stderr)
    return 1


def _abandon_stdout() -> None:
    """Let Python's last flush go nowhere: it would fail once more, with a traceback."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bellwire", description="Realtime push for web dashboards, on AWS IoT."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_dev(commands.add_parser("dev", help="run the whole service in this process"))
    publish.add_arguments(commands.add_parser("publish", help="publish updates to a channel"))
    tail.add_arguments(commands.add_parser("tail", help="print the updates of channels"))
    presence.add_arguments(commands.add_parser("presence", help="print who follows a channel"))
    token.add_arguments(commands.add_parser("token", help="log a user in at `bellwire dev`"))
    kick.add_arguments(commands.add_parser("kick", help="end a user's access now"))
    doctor.add_arguments(commands.add_parser("doctor", help="check that a service works"))
    return parser


def _add_dev(parser: argparse.ArgumentParser) -> None:
    try:
        from bellwire_local.dev.command import add_arguments  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        missing = error.name
        parser.set_defaults(run=lambda _: _refuse_dev(missing))
        return
    add_arguments(parser)


def _refuse_dev(missing: str | None) -> int:
    return _fail(f"dev needs the package {missing}: pip install 'bellwire[local]'")
