"""What came of a walk, for people and for programs. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from bellwire.doctor.findings import Finding, Outcome, count
from bellwire.doctor.truth_table import Who
from bellwire.wire_json import Json

_WORDS: Final = {True: "allowed", False: "denied", None: "no answer"}
_BAD: Final = (Outcome.MISMATCH, Outcome.FAILED)


def is_passed(findings: Sequence[Finding]) -> bool:
    """Tell whether nothing that was tried went otherwise than expected, and something was."""
    is_tried = any(finding.outcome is not Outcome.NOT_CHECKED for finding in findings)
    return is_tried and not any(finding.outcome in _BAD for finding in findings)


def as_wire(finding: Finding) -> dict[str, Json]:
    """Shape a finding: `{"who", "action", "target", "expected", "found", "outcome", "said"}`.

    `expected` and `found` are whether it is allowed; `found` is null where that is not known.
    """
    row, verdict = finding.row, finding.verdict
    return {
        "who": row.who,
        "action": row.action,
        "target": row.target,
        "expected": row.is_allowed,
        "found": verdict.is_allowed,
        "outcome": finding.outcome,
        "said": verdict.said,
    }


def report(findings: Sequence[Finding]) -> Iterator[str]:
    """Write a line for each actor, for each row that is not as expected, and the sum."""
    yield _line("who", *Outcome)
    for who in Who:
        theirs = [finding for finding in findings if finding.row.who is who]
        yield _line(who, *(str(count(theirs, outcome)) for outcome in Outcome))
    yield ""
    for finding in findings:
        if finding.outcome is Outcome.MISMATCH:
            yield _describe(finding)
    for outcome in (Outcome.FAILED, Outcome.NOT_CHECKED):
        yield from _without_answer(findings, outcome)
    yield f"{count(findings, Outcome.AS_EXPECTED)} of {len(findings)} rows are as expected"


def _describe(finding: Finding) -> str:
    expected, found = _WORDS[finding.row.is_allowed], _WORDS[finding.verdict.is_allowed]
    return f"{finding.row.name}: expected {expected}, found {found} ({finding.verdict.said})"


def _without_answer(findings: Sequence[Finding], outcome: Outcome) -> Iterator[str]:
    """Name a row that stands alone, and count those of one actor that have one reason."""
    by_reason: dict[tuple[Who, str], list[Finding]] = {}
    for finding in findings:
        if finding.outcome is outcome:
            reason = (finding.row.who, finding.verdict.said)
            by_reason.setdefault(reason, []).append(finding)
    for (who, why), of_one in by_reason.items():
        what = of_one[0].row.name if len(of_one) == 1 else f"{len(of_one)} rows of {who}"
        yield f"{outcome}: {what}: {why}"


def _line(name: str, *cells: str) -> str:
    return f"{name:<18}" + "".join(f"{cell:>13}" for cell in cells)
