"""What came of trying a row, and what an answer over HTTP says of it. Pure."""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from bellwire.doctor.truth_table import Row


class Outcome(StrEnum):
    """How a row ended; one that was not checked has not passed."""

    AS_EXPECTED = "as expected"
    MISMATCH = "mismatch"
    NOT_CHECKED = "not checked"
    """Nobody had the credentials for it."""
    FAILED = "failed"
    """It was tried, and no answer came that could be read."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something was allowed, and in whose words; None: it is not known.

    `is_lacking`: it was not even tried, for lack of credentials.
    """

    is_allowed: bool | None
    said: str
    is_lacking: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A row and what came of it."""

    row: Row
    verdict: Verdict

    @property
    def outcome(self) -> Outcome:
        """Hold it against what was expected."""
        if self.verdict.is_lacking:
            return Outcome.NOT_CHECKED
        if self.verdict.is_allowed is None:
            return Outcome.FAILED
        is_expected = self.verdict.is_allowed == self.row.is_allowed
        return Outcome.AS_EXPECTED if is_expected else Outcome.MISMATCH


@dataclass(frozen=True, slots=True)
class Answer:
    """What came over HTTP; `error_type` is the header x-amzn-ErrorType."""

    status: int
    body: bytes
    error_type: str = ""


DENIALS: Final = {
    "AccessDenied",
    "AccessDeniedException",
    "ForbiddenException",
    "UnauthorizedException",
    "NotAuthorizedException",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
"""Source: the common errors of IoT, Cognito Identity and STS; NotAuthorizedException and
InvalidIdentityToken are what Cognito and STS make of tokens that do not hold."""

THROTTLED: Final = {
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "too_many",
}

_XML_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_SIGNATURE: Final = re.compile(
    r"^upgrade|signature we calculated|[Ss]ignature expired|security token included|ExpiredToken"
)
"""Source: AWS's words, as IoT, API Gateway, Cognito and STS answer a bad signature or old keys."""

_SHOWN: Final = 160


def judge(answer: Answer, let_through: Collection[str] = ()) -> Verdict | None:
    """Read an answer; None: the service was too busy to decide.

    Args:
        let_through: errors that only those see who were let through to what is behind.
    """
    code = code_of(answer)
    said = f"HTTP {answer.status} {code}".strip()
    if answer.status in (429, 503) or code in THROTTLED:
        return None
    if 200 <= answer.status < 300 or code in let_through:
        return Verdict(is_allowed=True, said=said)
    text = " ".join(answer.body[:_SHOWN].decode(errors="replace").split())
    if answer.status in (401, 403) or code in DENIALS:
        return Verdict(is_allowed=False, said=f"{said}: {text}")
    return Verdict(is_allowed=None, said=f"{said}: {text}")


def doubt(verdict: Verdict) -> Verdict:
    """Take a refusal of the signature itself for none, of somebody whose keys should be good.

    Else whatever is wrong with keys or clocks would look like the right answer.
    """
    if verdict.is_allowed is False and _SIGNATURE.search(verdict.said):
        return replace(verdict, is_allowed=None)
    return verdict


def code_of(answer: Answer) -> str:
    """Name the error of an answer: AWS IoT's, Cognito's, STS's or Bellwire's own; "" if none."""
    if answer.error_type:
        return answer.error_type.partition(":")[0]
    found = _XML_CODE.search(answer.body.decode(errors="replace"))
    if found is not None:
        return found[1]
    match _json_of(answer.body):
        case {"__type": str(name)}:
            return name.rpartition("#")[2]
        case {"error": {"code": str(code)}}:
            return code
        case _:
            return ""


def count(findings: Sequence[Finding], outcome: Outcome) -> int:
    """Count the findings that ended in one way."""
    return sum(finding.outcome is outcome for finding in findings)


def _json_of(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None
