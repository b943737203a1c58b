"""`bellwire kick USER`: end a user's connections, grants and tokens now; a new login works."""

import argparse
import os
import sys

from bellwire.config import target_of
from bellwire.errors import Malformed
from bellwire.http_calls import HttpCalls
from bellwire.proofs import proof_for
from bellwire.wire_json import decode_json, encode_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's words."""
    parser.add_argument(
        "user", metavar="USER", help="the name in their login; of social logins the identity id"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say what was ended."""
    target = target_of(os.environ)
    calls = HttpCalls(target.url, proof_for(target))
    found = decode_json(calls.post("/v1/kick", encode_json({"user": options.user})))
    match found:
        case {"identity_id": str(identity_id), "connections_ended": int(count)} if isinstance(
            found, dict
        ):
            plural = "connection" if count == 1 else "connections"
            print(f"{options.user} ({identity_id}) is out: {count} {plural} ended")
            if found.get("known") is False:
                print(
                    f"bellwire: nobody has come as {options.user!r} so far; is it spelt right?",
                    file=sys.stderr,
                )
            return 0
        case _:
            raise Malformed(f"expected what was ended, found {str(found)[:80]!r}")
