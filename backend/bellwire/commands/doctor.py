"""`bellwire doctor`: does a service work, from end to end; or row by row of the truth table?"""

import argparse
import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from threading import Lock
from typing import Final

from bellwire.config import (
    TEST_TOKEN_NAMES,
    TOKEN_COMMAND_NAME,
    TOKEN_NAME,
    URL_NAME,
    login_of,
    target_of,
)
from bellwire.doctor.findings import Finding
from bellwire.doctor.listing import write_listing
from bellwire.doctor.reporting import as_wire, is_passed, report
from bellwire.doctor.truth_table import truth_table

ROLE_NAMES: Final = ("job", "operator", "session", "connections")
TOLD_EVERY: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's words."""
    parser.add_argument(
        "--stack",
        metavar="NAME",
        help="the service of this CloudFormation stack, and its queues; in the place of"
        f" {URL_NAME}",
    )
    parser.add_argument(
        "--kick",
        metavar="USER",
        help=f"the test user of {TOKEN_NAME} or {TOKEN_COMMAND_NAME}, who may be kicked",
    )
    parser.add_argument(
        "--truth-table", action="store_true", help="try who may do what, row by row"
    )
    parser.add_argument("--list", action="store_true", help="print the table, ask nobody")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object for each step or row"
    )
    parser.add_argument(
        "--token",
        metavar="NAME=TOKEN",
        action="append",
        default=[],
        help="the login token of a test user: alice (group red), bob (blue), carol (red; is"
        f" kicked); or {TEST_TOKEN_NAMES['alice']}, …; at `bellwire dev` they are made up",
    )
    parser.add_argument(
        "--profile",
        metavar="NAME=PROFILE",
        action="append",
        default=[],
        help=f"the AWS profile of a role: {', '.join(ROLE_NAMES)}; without --truth-table the first"
        " two; `bellwire dev` hands them out",
    )
    parser.set_defaults(run=lambda options: run(parser, options))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Say how each step, or each row, went; 1 if one of them failed."""
    if not options.truth_table:
        if options.list or options.token:
            parser.error("--list and --token go with --truth-table")
        profiles = _pairs(parser, "--profile", options.profile, ROLE_NAMES[:2])
        return _check_up(options, profiles)
    if options.stack or options.kick:
        parser.error("--stack and --kick go without --truth-table")
    tokens = _pairs(parser, "--token", options.token, TEST_TOKEN_NAMES)
    profiles = _pairs(parser, "--profile", options.profile, ROLE_NAMES)
    if options.list:
        print(write_listing(truth_table()), end="")
        return 0
    return _walk(_tokens_left(os.environ) | tokens, profiles, is_json=options.json)


def _check_up(options: argparse.Namespace, profiles: Mapping[str, str]) -> int:
    from bellwire.doctor.checkup import Wanted  # noqa: PLC0415 - paho and botocore
    from bellwire.doctor.stack import check_up  # noqa: PLC0415 - as above

    wanted = Wanted(target_of(os.environ), login_of(os.environ), profiles, options.kick)
    is_well = True
    for finding in check_up(wanted, options.stack):
        line = json.dumps(finding.to_wire(), ensure_ascii=False) if options.json else None
        print(line or finding.to_line(), flush=True)
        is_well = is_well and finding.is_ok is not False
    return 0 if is_well else 1


def _walk(tokens: Mapping[str, str], profiles: Mapping[str, str], *, is_json: bool) -> int:
    from bellwire.doctor.casting import Given, gather  # noqa: PLC0415 - paho and botocore
    from bellwire.doctor.walk import THREADS, walk  # noqa: PLC0415 - as above

    target = target_of(os.environ)
    print(f"bellwire: opening sessions at {target.url}", file=sys.stderr)
    scene = gather(target.url, Given(target.key, tokens, profiles), THREADS)
    rows = truth_table(has_guests=scene.has_guests)
    findings = walk(scene, rows, _Progress(len(rows)).note)
    if is_json:
        for finding in findings:
            print(json.dumps(as_wire(finding), ensure_ascii=False))
    else:
        print("\n".join(report(findings)))
    return 0 if is_passed(findings) else 1


class _Progress:
    """Counts what was tried, on stderr."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._tried = 0
        self._lock = Lock()

    def note(self, _finding: Finding) -> None:
        """Count one more."""
        with self._lock:
            self._tried += 1
            if self._tried % TOLD_EVERY == 0:
                print(f"bellwire: tried {self._tried} of {self._rows} rows", file=sys.stderr)


def _pairs(
    parser: argparse.ArgumentParser, word: str, given: Sequence[str], names: Collection[str]
) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, sign, value = text.partition("=")
        if name not in names or not sign or not value:
            parser.error(f"expected {word} NAME=… with one of {', '.join(names)}")
        pairs[name] = value
    return pairs


def _tokens_left(environment: Mapping[str, str]) -> dict[str, str]:
    left = {name: environment.get(variable) for name, variable in TEST_TOKEN_NAMES.items()}
    return {name: token for name, token in left.items() if token}
