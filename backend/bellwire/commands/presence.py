"""`bellwire presence CHANNEL`: who follows a channel by push at the moment."""

import argparse
import json
from datetime import datetime

from bellwire.present_json import PresentPerson, encode_person


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's words."""
    parser.add_argument("channel", metavar="CHANNEL", help="for example group/ops/alerts")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print one line for each identity, the longest there first."""
    from bellwire.subscriber import Subscriber  # noqa: PLC0415 - paho and botocore

    for one in Subscriber.from_env().presence(options.channel):
        print(json.dumps(encode_person(one)) if options.json else _plain_line(one))
    return 0


def _plain_line(one: PresentPerson) -> str:
    since = datetime.fromtimestamp(one.since_ms / 1000).astimezone()
    name = "-" if one.user is None else one.user
    plural = "connection" if one.connections == 1 else "connections"
    return f"{one.identity_id} {one.connections} {plural} since {since:%Y-%m-%d %H:%M:%S} {name}"
