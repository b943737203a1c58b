"""Signature Version 4, verified: in the query of a WebSocket URL or in a request's headers.

Pure: the request, the time and a way to look credentials up go in; who signed, or a refusal, comes
out.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from bellwire_local.identity.credentials import CredentialsExpired, CredentialsRefused, Grant
from bellwire_local.printable import printable

ALGORITHM = "AWS4-HMAC-SHA256"
CLOCK_SKEW_S = 300
"""How far a signature's date may be off. Source: the "5 min." in AWS's refusal texts."""

PRESIGNED_MAX_S = 604_800
"""The longest that X-Amz-Expires may say: seven days."""

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_DATE_FORM = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_CREDENTIAL = re.compile(r"\bCredential=[^/,\s]+/[^/,]+/[^/,]+/([^/,]+)/aws4_request")
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)


class SignatureRefused(Exception):
    """The request proves nobody's identity; the message is what AWS answers.

    `code` is STS's name for the fault; services of other protocols have names of their own.
    Source: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
    """

    def __init__(self, message: str, code: str = "IncompleteSignature") -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it came over the wire: `path` and `query` still percent-encoded, header names
    in lower case, `body_sha256` in hexadecimal."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body_sha256: str = EMPTY_SHA256


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a signature is held against.

    `is_for_upgrades` makes the two exceptions of the URL of a WebSocket: its session token is not
    signed, and it is good for CLOCK_SKEW_S whatever X-Amz-Expires says. Everywhere else what is in
    a presigned URL is signed, and X-Amz-Expires counts.
    Source: https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html (MQTT over
    WebSocket); of the times: as observed.
    """

    region: str
    services: tuple[str, ...]
    look_up: Callable[[str, str | None, float], Grant]
    """Access key id, session token, now in seconds → the grant, or CredentialsRefused."""
    is_for_upgrades: bool = False
    note_refusal: Callable[[ReceivedRequest, SignatureRefused, float], None] | None = None
    """Told of every refusal, with the time."""

    def verify(self, request: ReceivedRequest, now_s: float) -> Grant:
        """Find out who signed `request`.

        Raises:
            SignatureRefused: it is unsigned, wrongly signed, not current, or out of scope.
        """
        try:
            return self._verify(request, now_s)
        except SignatureRefused as refusal:
            if self.note_refusal is not None:
                self.note_refusal(request, refusal, now_s)
            raise

    def _verify(self, request: ReceivedRequest, now_s: float) -> Grant:
        claim = _read_claim(request)
        self._check_scope(claim)
        try:
            grant = self.look_up(claim.access_key_id, claim.session_token, now_s)
        except CredentialsRefused as refusal:
            is_expired = isinstance(refusal, CredentialsExpired)
            code = "ExpiredToken" if is_expired else "InvalidClientTokenId"
            raise SignatureRefused(str(refusal), code) from refusal
        _check_time(claim, now_s, CLOCK_SKEW_S if self.is_for_upgrades else _lifetime_of(claim))
        query = _canonical_query(request.query, signs_token=not self.is_for_upgrades)
        wanted = claim.signature.encode()
        for headers in _readings_of(request.headers):
            signature = _sign(request, query, headers, claim, grant)
            if hmac.compare_digest(signature.encode(), wanted):
                return grant
        raise SignatureRefused(_MISMATCH, "SignatureDoesNotMatch")

    def _check_scope(self, claim: "_Claim") -> None:
        if claim.region != self.region:
            raise SignatureRefused(
                f"Credential should be scoped to a valid region, not '{printable(claim.region)}'.",
                "SignatureDoesNotMatch",
            )
        if claim.service not in self.services:
            expected = " or ".join(f"'{service}'" for service in self.services)
            raise SignatureRefused(
                f"Credential should be scoped to correct service: {expected}.",
                "SignatureDoesNotMatch",
            )
        if claim.scope_date != claim.signed_at[:8]:
            raise SignatureRefused(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
                f"from HTTP: '{printable(claim.scope_date)}' != '{claim.signed_at[:8]}'.",
                "SignatureDoesNotMatch",
            )


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a request says about its own signature."""

    access_key_id: str
    scope_date: str
    region: str
    service: str
    signed_at: str
    signed_headers: tuple[str, ...]
    signature: str
    session_token: str | None
    expires: str | None

    @property
    def scope(self) -> str:
        return f"{self.scope_date}/{self.region}/{self.service}/aws4_request"


def claimed_service(headers: Mapping[str, str], query: str) -> str | None:
    """Return the service that a request says it is signed for, which proves nothing yet."""
    authorization = headers.get("authorization")
    if authorization is not None:
        found = _CREDENTIAL.search(authorization)
    else:
        found = _CREDENTIAL.search(
            f"Credential={dict(_split_query(query)).get('X-Amz-Credential')}"
        )
    return None if found is None else found[1]


def _read_claim(request: ReceivedRequest) -> _Claim:
    authorization = request.headers.get("authorization")
    if authorization is None:
        return _make_claim(_read_query_fields(request.query))
    algorithm, _, rest = authorization.partition(" ")
    fields = _read_pairs(rest) if algorithm == ALGORITHM else {}
    return _make_claim(
        {
            "X-Amz-Algorithm": algorithm,
            "X-Amz-Credential": fields.get("Credential", ""),
            "X-Amz-SignedHeaders": fields.get("SignedHeaders", ""),
            "X-Amz-Signature": fields.get("Signature", ""),
            "X-Amz-Date": request.headers.get("x-amz-date", ""),
            "X-Amz-Security-Token": request.headers.get("x-amz-security-token", ""),
        }
    )


def _read_pairs(text: str) -> dict[str, str]:
    """Read `Credential=…, SignedHeaders=…, Signature=…`; of two headers in one nothing is taken.

    Source of the words: API Gateway guide, troubleshooting of 403. What was found is not repeated:
    it may be somebody's token.
    """
    parts = [part.strip() for part in text.split(",")]
    fields = dict(part.partition("=")[::2] for part in parts)
    if not all("=" in part for part in parts):
        raise SignatureRefused(
            "not a valid key=value pair (missing equal-sign) in Authorization header"
        )
    if len(fields) < len(parts):
        raise SignatureRefused("a key is given more than once in Authorization header")
    return fields


def _read_query_fields(query: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in _split_query(query):
        if name.startswith("X-Amz-") and name in fields:
            found = f"The query parameter '{printable(name)}' is given more than once."
            raise SignatureRefused(found)
        fields[name] = value
    return fields


def _make_claim(fields: Mapping[str, str]) -> _Claim:
    signature = fields.get("X-Amz-Signature", "")
    if not signature or not fields.get("X-Amz-Credential"):
        raise SignatureRefused("Missing Authentication Token", "MissingAuthenticationToken")
    if fields.get("X-Amz-Algorithm") != ALGORITHM:
        raise SignatureRefused(f"Unsupported signing algorithm; {ALGORITHM} is expected.")
    credential = fields["X-Amz-Credential"].split("/")
    if len(credential) != 5 or credential[4] != "aws4_request":
        raise SignatureRefused(
            "Credential must have the form <access key id>/<date>/<region>/<service>/aws4_request."
        )
    signed_at = fields.get("X-Amz-Date", "")
    if not _DATE_FORM.fullmatch(signed_at):
        raise SignatureRefused("X-Amz-Date must be in the form yyyymmddThhmmssZ.")
    signed_headers = tuple(fields.get("X-Amz-SignedHeaders", "").split(";"))
    if "host" not in signed_headers:
        raise SignatureRefused("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    return _Claim(
        access_key_id=credential[0],
        scope_date=credential[1],
        region=credential[2],
        service=credential[3],
        signed_at=signed_at,
        signed_headers=signed_headers,
        signature=signature,
        session_token=fields.get("X-Amz-Security-Token") or None,
        expires=fields.get("X-Amz-Expires"),
    )


def _lifetime_of(claim: _Claim) -> int:
    if claim.expires is None:
        return CLOCK_SKEW_S
    is_number = re.fullmatch(r"[0-9]{1,6}", claim.expires) is not None
    if not is_number or not 1 <= int(claim.expires) <= PRESIGNED_MAX_S:
        raise SignatureRefused(
            f"X-Amz-Expires is {claim.expires!r:.40}; a number of seconds from 1 to "
            f"{PRESIGNED_MAX_S} is expected."
        )
    return int(claim.expires)


def _check_time(claim: _Claim, now_s: float, lifetime_s: int) -> None:
    try:
        signed = datetime.strptime(claim.signed_at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise SignatureRefused("X-Amz-Date must be in the form yyyymmddThhmmssZ.") from error
    now, skew = datetime.fromtimestamp(now_s, UTC), timedelta(seconds=CLOCK_SKEW_S)
    earliest = now - timedelta(seconds=lifetime_s)
    if signed < earliest:
        allowed = "5 min." if lifetime_s == CLOCK_SKEW_S else f"{lifetime_s} s."
        raise SignatureRefused(
            f"Signature expired: {claim.signed_at} is now earlier than "
            f"{_stamp(earliest)} ({_stamp(now)} - {allowed})",
            "SignatureDoesNotMatch",
        )
    if signed > now + skew:
        raise SignatureRefused(
            f"Signature not yet current: {claim.signed_at} is still later than "
            f"{_stamp(now + skew)} ({_stamp(now)} + 5 min.)",
            "SignatureDoesNotMatch",
        )


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")


def _readings_of(headers: Mapping[str, str]) -> list[Mapping[str, str]]:
    """The headers as received, and with the port taken off Host: clients sign either."""
    host = headers.get("host", "")
    bare = re.sub(r":\d+$", "", host)
    return [headers] if bare == host else [headers, {**headers, "host": bare}]


def _sign(
    request: ReceivedRequest, query: str, headers: Mapping[str, str], claim: _Claim, grant: Grant
) -> str:
    canonical_headers = "".join(
        f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in claim.signed_headers
    )
    canonical_request = "\n".join(
        (
            request.method,
            quote(request.path, safe="/-_.~"),  # the encoded path is encoded once more
            query,
            canonical_headers,
            ";".join(claim.signed_headers),
            request.body_sha256,
        )
    )
    digest = hashlib.sha256(canonical_request.encode()).hexdigest()
    string_to_sign = "\n".join((ALGORITHM, claim.signed_at, claim.scope, digest))
    key = f"AWS4{grant.secret_access_key}".encode()
    for part in (claim.scope_date, claim.region, claim.service, "aws4_request", string_to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def _canonical_query(query: str, *, signs_token: bool) -> str:
    unsigned = {"X-Amz-Signature"} if signs_token else {"X-Amz-Signature", "X-Amz-Security-Token"}
    pairs = [
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in _split_query(query)
        if name not in unsigned
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _split_query(query: str) -> list[tuple[str, str]]:
    # Not parse_qsl: it would read "+" as a blank, which SigV4 does not.
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in parts]
