"""`bellwire publish CHANNEL [DATA]`: publish one update, or one for each line of stdin."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Final

from bellwire.channels import check_publishable
from bellwire.errors import BellwireError, Malformed
from bellwire.publications import MAX_PUBLICATIONS, Result, encode_publication, encode_result
from bellwire.publisher import Publisher
from bellwire.updates import Draft, Op, check_draft
from bellwire.wire_json import Json, decode_json

READ_BYTES: Final = 65_536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's words."""
    parser.add_argument(
        "channel", metavar="CHANNEL", help="for example public/news; with --user: inbox"
    )
    parser.add_argument("--user", metavar="USER", help="to the CHANNEL that only USER reads")
    parser.add_argument("data", metavar="DATA", nargs="?", help="JSON; - reads one a line of stdin")
    op = parser.add_mutually_exclusive_group()
    op.add_argument("--event", action="store_true", help="each one counts (the default)")
    op.add_argument("--set", metavar="KEY", help="the newest value of KEY counts")
    op.add_argument("--delete", metavar="KEY", help="remove KEY from the state; takes no DATA")
    parser.add_argument("--id", metavar="ID", help="the same ID again publishes nothing")
    parser.set_defaults(run=lambda options: run(parser, options))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Publish and print one result line per update; 1 if any of them failed."""
    if (options.delete is None) == (options.data is None):
        parser.error("DATA is needed unless --delete is given, and not with it")
    if options.user is None:
        check_publishable(options.channel)
    publisher = Publisher.from_env()
    if options.user is not None:
        options.channel = publisher.user(options.user).channel(options.channel)
    if options.data != "-":
        return _publish(publisher, options, [_draft(options, options.data, options.id)])
    return _publish_lines(publisher, options)


def _publish_lines(publisher: Publisher, options: argparse.Namespace) -> int:
    """Publish each line as it comes, those that wait together; stop at the first failure."""
    if sys.stdin is None:
        raise Malformed("expected lines on standard input, found it closed")
    number = 0
    for lines in _waiting_together(sys.stdin.fileno()):
        drafts: list[Draft] = []
        for line in lines:
            number += 1
            draft_id = options.id and f"{options.id}.{number}"
            try:
                drafts.append(_draft(options, line, draft_id))
            except BellwireError as error:
                code = _publish(publisher, options, drafts)
                return _fail(f"line {number}: {error.message}") or code
        if _publish(publisher, options, drafts):
            return 1
    return 0


def _publish(publisher: Publisher, options: argparse.Namespace, drafts: list[Draft]) -> int:
    failure: BellwireError | None = None
    results: list[Result] = (
        publisher.publish([encode_publication(options.channel, draft) for draft in drafts])
        if drafts
        else []
    )
    for result in results:
        if isinstance(result, BellwireError):
            failure = failure or result
        else:
            print(json.dumps(encode_result(result)), flush=True)
    return 0 if failure is None else _fail(failure.message)


def _draft(options: argparse.Namespace, text: str | bytes | None, draft_id: str | None) -> Draft:
    op: Op = "delete" if options.delete is not None else "event"
    key: str | None = options.delete
    data: Json = None
    if options.set is not None:
        op, key = "set", options.set
    if op != "delete":
        try:
            data = decode_json(text or "")
        except Malformed as error:
            raise Malformed(f"DATA: {error.message}") from error
    return check_draft(Draft(op, key, data, draft_id))


def _waiting_together(descriptor: int) -> Iterator[list[bytes]]:
    """Group the lines that are there already; a line is never kept waiting for the next."""
    lines: SimpleQueue[bytes] = SimpleQueue()  # an empty one is the end of the stream

    def read() -> None:
        for line in _lines(descriptor):
            lines.put(line)
        lines.put(b"")

    Thread(target=read, daemon=True).start()
    is_open = True
    while is_open:
        group = [lines.get()]
        while group[-1] and len(group) < MAX_PUBLICATIONS and not lines.empty():
            group.append(lines.get())
        is_open = bool(group[-1])
        if any(line.strip() for line in group):
            yield [line for line in group if line.strip()]


def _lines(descriptor: int) -> Iterator[bytes]:
    """Read lines past Python's own buffer, whose lock a thread that waits takes to its grave."""
    rest = b""
    while piece := os.read(descriptor, READ_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def _fail(message: str) -> int:
    print(f"bellwire: {message}", file=sys.stderr)
    return 1
