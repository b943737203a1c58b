"""`bellwire tail CHANNEL...`: print updates as they come, by push or by polling."""

import argparse
import json
import os
import sys
from contextlib import suppress
from datetime import datetime
from itertools import islice

from bellwire.channels import check_channel, is_public
from bellwire.config import TOKEN_NAME, login_of
from bellwire.cursors import decode_cursor
from bellwire.errors import TooMany, Unauthenticated
from bellwire.told import Told
from bellwire.updates import Update

MAX_REWIND = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's words."""
    parser.add_argument("channels", metavar="CHANNEL", nargs="+", help="for example public/host")
    parser.add_argument("--poll", action="store_true", help="ask now and then, open no socket")
    parser.add_argument("--since", metavar="CURSOR", help="go on from a poll answer's cursor")
    parser.add_argument(
        "--rewind", metavar="N", type=_rewind, default=0, help="begin with the newest N events"
    )
    parser.add_argument(
        "--narrow", action="store_true", help="by a session that is good for these channels alone"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--count", metavar="N", type=_count, help="stop after N updates")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print until stopped, or until `--count` updates are out."""
    from bellwire.subscriber import Subscriber  # noqa: PLC0415 - paho and botocore

    login = login_of(os.environ)
    private = [name for name in options.channels if not is_public(check_channel(name))]
    if options.narrow and login.is_guest:
        raise Unauthenticated(f"--narrow is for who has logged in: set {TOKEN_NAME}")
    if private and login.is_guest:
        raise Unauthenticated(
            f"{private[0]} is not for guests: set {TOKEN_NAME} to a login token, as"
            " `bellwire token USER` prints one"
        )
    subscriber = Subscriber.from_env(channels=options.channels if options.narrow else ())
    if not login.is_guest and (private or not options.poll):
        with suppress(TooMany):  # who only has to wait does so while following
            subscriber.identity()  # else what is wrong with a login would be tried again for ever
    told = subscriber.follow(
        options.channels,
        since=None if options.since is None else decode_cursor(options.since).positions,
        rewind=options.rewind,
        is_poll_only=options.poll,
        tells_state=False,
    )
    updates = (one for one in told if _is_update(one))
    for one in islice(updates, options.count):
        if one.update is not None:
            print(
                _json_line(one, one.update) if options.json else _plain_line(one, one.update),
                flush=True,
            )
    return 0


def _is_update(told: Told) -> bool:
    if told.update is None:
        print(f"bellwire: continuity of {told.channel} was lost, going on", file=sys.stderr)
    return told.update is not None


def _json_line(told: Told, update: Update) -> str:
    return json.dumps(
        {
            "channel": told.channel,
            "epoch": told.epoch,
            "seq": update.seq,
            "op": update.op,
            "key": update.key,
            "data": update.data,
            "at": update.at_ms or None,
        },
        ensure_ascii=False,
    )


def _plain_line(told: Told, update: Update) -> str:
    at = datetime.fromtimestamp(update.at_ms / 1000).astimezone()
    clock = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}" if update.at_ms else "--:--:--.---"
    key = "" if update.key is None else f" {update.key}"
    data = "" if update.op == "delete" else " " + json.dumps(update.data, ensure_ascii=False)
    return f"{clock} {told.channel} {update.seq} {update.op}{key}{data}"


def _rewind(text: str) -> int:
    return _whole(text, 0, MAX_REWIND)


def _count(text: str) -> int:
    return _whole(text, 1, sys.maxsize)


def _whole(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        span = f"{least} to {most}" if most < sys.maxsize else f"{least} on"
        raise argparse.ArgumentTypeError(f"expected a whole number from {span}, found {text!r}")
    return int(text)
