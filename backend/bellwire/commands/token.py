"""`bellwire token USER`: a login token of the login that `bellwire dev` plays."""

import argparse
import os

from bellwire.config import target_of
from bellwire.errors import Malformed, NotFound
from bellwire.http_calls import HttpCalls
from bellwire.wire_json import decode_json, encode_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's words."""
    parser.add_argument("user", metavar="USER", help="for example alice")
    parser.add_argument(
        "--group", metavar="G", action="append", default=[], help="a group of theirs; repeatable"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the token and nothing else."""
    calls = HttpCalls(target_of(os.environ).url)
    body = encode_json({"user": options.user, "groups": options.group})
    try:
        found = decode_json(calls.post("/dev/login", body))
    except NotFound as error:
        raise NotFound(
            "this service has a login of its own; `bellwire token` is for `bellwire dev`"
        ) from error
    match found:
        case {"token": str(token)}:
            print(token)
            return 0
        case _:
            raise Malformed(f"expected a token, found {str(found)[:80]!r}")
