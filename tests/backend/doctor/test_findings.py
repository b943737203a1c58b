"""How answers over HTTP are read, and how findings are told."""

import pytest

from bellwire.doctor.findings import Answer, Finding, Outcome, Verdict, code_of, doubt, judge
from bellwire.doctor.reporting import as_wire, is_passed, report
from bellwire.doctor.truth_table import Action, Row, Who

FORBIDDEN = b'{"message":"Forbidden","traceId":"b9e88251"}'
STS_DENIED = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
ALLOWED = Row(Who.ALICE, Action.SUBSCRIBE, "{stage}/public/doctor", is_allowed=True)
DENIED = Row(Who.BOB, Action.SIGNED_POST, "/v1/publish public/doctor", is_allowed=False)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(403, FORBIDDEN, "ForbiddenException:"), "ForbiddenException"),
        (Answer(400, b'{"__type":"a.b#NotAuthorizedException"}'), "NotAuthorizedException"),
        (Answer(403, STS_DENIED), "AccessDenied"),
        (Answer(401, b'{"error":{"code":"unauthenticated","message":"m"}}'), "unauthenticated"),
        (Answer(403, b'{"message":"Forbidden"}'), ""),
        (Answer(502, b"<html>"), ""),
        (Answer(200, b"\xff"), ""),
    ],
)
def test_every_service_names_its_errors_its_own_way(answer: Answer, code: str) -> None:
    assert code_of(answer) == code


@pytest.mark.parametrize(
    ("answer", "let_through", "expected"),
    [
        (Answer(200, b"{}"), (), True),
        (Answer(204, b""), (), True),
        (Answer(403, b'{"message":"Forbidden"}'), (), False),
        (Answer(401, b""), (), False),
        (Answer(400, b'{"__type":"AccessDeniedException"}'), (), False),
        (Answer(400, b'{"__type":"InvalidParameterException"}'), (), None),
        (Answer(404, b"{}", "ResourceNotFoundException:"), ("ResourceNotFoundException",), True),
        (Answer(404, b"{}", "ResourceNotFoundException:"), (), None),
        (Answer(500, b""), (), None),
    ],
)
def test_an_answer_is_judged(
    answer: Answer,
    let_through: tuple[str, ...],
    expected: bool | None,  # noqa: FBT001 - a row
) -> None:
    verdict = judge(answer, let_through)
    assert verdict is not None
    assert verdict.is_allowed is expected


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, b""),
        Answer(503, b""),
        Answer(400, b"{}", "ThrottlingException:"),
        Answer(400, b'{"__type":"TooManyRequestsException"}'),
    ],
)
def test_a_service_that_is_busy_has_not_judged(answer: Answer) -> None:
    assert judge(answer) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("HTTP 403 ForbiddenException: Forbidden", False),
        ("HTTP 403: The request signature we calculated does not match …", None),
        ("HTTP 403: The security token included in the request is expired", None),
        ("HTTP 403 ExpiredTokenException: …", None),
        ("upgrade 0x87 HTTP 403", None),
        ("HTTP 403: the signature does not hold, or IAM does not allow this", False),
    ],
)
def test_a_bad_signature_is_no_answer(
    said: str,
    expected: bool | None,  # noqa: FBT001 - a row
) -> None:
    assert doubt(Verdict(is_allowed=False, said=said)).is_allowed is expected
    assert doubt(Verdict(is_allowed=True, said=said)).is_allowed is True


@pytest.mark.parametrize(
    ("row", "verdict", "outcome"),
    [
        (ALLOWED, Verdict(is_allowed=True, said=""), Outcome.AS_EXPECTED),
        (ALLOWED, Verdict(is_allowed=False, said=""), Outcome.MISMATCH),
        (DENIED, Verdict(is_allowed=True, said=""), Outcome.MISMATCH),
        (DENIED, Verdict(is_allowed=None, said=""), Outcome.FAILED),
        (DENIED, Verdict(is_allowed=None, said="", is_lacking=True), Outcome.NOT_CHECKED),
    ],
)
def test_what_has_no_answer_has_not_passed(row: Row, verdict: Verdict, outcome: Outcome) -> None:
    assert Finding(row, verdict).outcome is outcome


GOOD = Finding(ALLOWED, Verdict(is_allowed=True, said="SUBACK 0x00"))
WRONG = Finding(DENIED, Verdict(is_allowed=True, said="HTTP 200"))
LOST = Finding(ALLOWED, Verdict(is_allowed=None, said="no answer"))
ABSENT = Finding(DENIED, Verdict(is_allowed=None, said="nobody", is_lacking=True))


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([GOOD], True),
        ([GOOD, ABSENT], True),
        ([GOOD, WRONG], False),
        ([GOOD, LOST], False),
        ([ABSENT], False),
        ([], False),
    ],
)
def test_passed_is_what_was_tried_and_went_well(
    findings: list[Finding],
    expected: bool,  # noqa: FBT001 - a row
) -> None:
    assert is_passed(findings) is expected


def test_the_report_names_what_is_wrong_on_a_line() -> None:
    lines = list(report([GOOD, WRONG, LOST, ABSENT, ABSENT]))
    assert lines[0].split() == ["who", "as", "expected", "mismatch", "not", "checked", "failed"]
    assert [line.split() for line in lines if line.startswith(("alice  ", "bob"))][:2] == [
        ["alice", "1", "0", "0", "1"],
        ["bob", "0", "1", "2", "0"],
    ]
    assert lines[len(Who) + 2 :] == [
        "bob: signed POST /v1/publish public/doctor: expected denied, found allowed (HTTP 200)",
        "failed: alice: MQTT SUBSCRIBE to {stage}/public/doctor: no answer",
        "not checked: 2 rows of bob: nobody",
        "1 of 5 rows are as expected",
    ]


def test_a_finding_for_programs() -> None:
    assert as_wire(WRONG) == {
        "who": "bob",
        "action": "signed POST",
        "target": "/v1/publish public/doctor",
        "expected": False,
        "found": True,
        "outcome": "mismatch",
        "said": "HTTP 200",
    }
