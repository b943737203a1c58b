"""The command line `bellwire`: words in, one use of the library, lines out.

Exit codes: 0 done, 1 failed (one line on stderr), 2 wrong usage.
"""

import argparse
import logging
import sys
from collections.abc import Sequence

from bellwire.commands import publish, tail
from bellwire.errors import BellwireError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each try that is repeated
    try:
        code: int = options.run(options)
    except BellwireError as error:
        print(f"bellwire: {error.message}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone: nothing is left to say, or to say it to
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bellwire", description="Realtime push for web dashboards, on AWS IoT."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_dev(commands.add_parser("dev", help="run the whole service in this process"))
    publish.add_arguments(commands.add_parser("publish", help="publish updates to a channel"))
    tail.add_arguments(commands.add_parser("tail", help="print the updates of channels"))
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
    print(
        f"bellwire: dev needs the package {missing}: pip install 'bellwire[local]'", file=sys.stderr
    )
    return 1
