"""AWS STS on the wire: the query protocol with XML answers. Who may do what: see `assuming`.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html
"""

import logging
import re
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from bellwire_local.http_messages import HttpAnswer, HttpRequest
from bellwire_local.identity.assuming import Assumed, RoleAssumption, stamp
from bellwire_local.identity.credentials import Grant
from bellwire_local.identity.refusals import StsRefusal
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused, Verifier
from bellwire_local.identity.tokens import COGNITO_PROVIDER

logger = logging.getLogger(__name__)

SERVICE = "sts"
VERSION = "2011-06-15"
FORM = "application/x-www-form-urlencoded"
_NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
_MOST_FIELDS = 200
_COMMON = {"Action", "Version"}
_ASSUMING = {"RoleArn", "RoleSessionName", "DurationSeconds", "Policy"}
_FIELDS = {
    "AssumeRole": _COMMON | _ASSUMING | {"ExternalId"},
    "AssumeRoleWithWebIdentity": _COMMON | _ASSUMING | {"WebIdentityToken"},
    "GetCallerIdentity": _COMMON,
}
"""What is emulated; whatever else is said (PolicyArns, Tags, …) is refused by name."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Content = Mapping[str, "str | Content"]


class Sts:
    """Answers the calls to STS for every account."""

    def __init__(
        self,
        assumption: RoleAssumption,
        *,
        verifier: Verifier,
        wall_clock_s: Callable[[], float],
    ) -> None:
        self._assumption = assumption
        self._verifier = verifier
        self._wall_clock_s = wall_clock_s
        self._operations: Mapping[str, Callable[[Mapping[str, str], HttpRequest], Content]] = {
            "AssumeRole": self._assume_role,
            "AssumeRoleWithWebIdentity": self._assume_role_with_web_identity,
            "GetCallerIdentity": self._get_caller_identity,
        }

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer one form posted to `/`."""
        request_id = str(uuid.uuid4())
        try:
            fields = _read_fields(request)
            action = fields["Action"]
            result = self._operations[action](fields, request)
        except StsRefusal as refusal:
            if refusal.code != "AccessDenied":  # that is a decision, logged where it is made
                logger.warning("STS refused: %s: %s", refusal.code, refusal)
            return _write_error(refusal, request_id)
        content: Content = {
            f"{action}Result": result,
            "ResponseMetadata": {"RequestId": request_id},
        }
        return _write(200, f"{action}Response", content, request_id)

    def _assume_role(self, fields: Mapping[str, str], request: HttpRequest) -> Content:
        caller = self._verify(request)
        assumed = self._assumption.as_caller(
            fields, caller, request.source_ip, self._wall_clock_s()
        )
        return _describe(assumed)

    def _assume_role_with_web_identity(
        self, fields: Mapping[str, str], request: HttpRequest
    ) -> Content:
        assumed = self._assumption.with_web_identity(
            fields, request.source_ip, self._wall_clock_s()
        )
        if assumed.token is None:
            return _describe(assumed)
        return {
            **_describe(assumed),
            "SubjectFromWebIdentityToken": assumed.token.identity_id,
            "Provider": COGNITO_PROVIDER,
            "Audience": assumed.token.pool_id,
        }

    def _get_caller_identity(self, _fields: Mapping[str, str], request: HttpRequest) -> Content:
        caller = self._verify(request).principal
        return {"Arn": caller.arn, "UserId": caller.unique_id, "Account": caller.account_id}

    def _verify(self, request: HttpRequest) -> Grant:
        received = ReceivedRequest(
            request.method, request.path, request.query, request.headers, request.body_sha256
        )
        try:
            return self._verifier.verify(received, self._wall_clock_s())
        except SignatureRefused as refused:
            raise StsRefusal(refused.code, str(refused), 403) from refused


def _read_fields(request: HttpRequest) -> dict[str, str]:
    if request.method != "POST" or request.body is None:
        found = f"{request.method} with {request.body_bytes} bytes"
        raise StsRefusal("InvalidAction", f"{found} is not supported here; POST a short form")
    try:
        listed = parse_qsl(
            request.body.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise StsRefusal("MalformedInput", f"The body is no form: {error}") from error
    fields = dict(listed)
    if len(fields) != len(listed):
        raise StsRefusal("MalformedInput", "A field is given more than once")
    return _check_action(fields)


def _check_action(fields: dict[str, str]) -> dict[str, str]:
    action = fields.get("Action")
    if action is None:
        raise StsRefusal("MissingAction", "The request has no Action")
    if action not in _FIELDS or fields.get("Version") != VERSION:
        found = f"operation {action!r:.80} for version {fields.get('Version')!r:.40}"
        known = f"{', '.join(sorted(_FIELDS))} for version {VERSION!r}"
        raise StsRefusal("InvalidAction", f"Could not find {found}; there are {known}")
    unknown = sorted(name for name in set(fields) - _FIELDS[action] if fields[name])
    if unknown:
        raise StsRefusal("ValidationError", f"{unknown[0]!r:.80} is not emulated; leave it out")
    return fields


def _describe(assumed: Assumed) -> Content:
    credentials, principal = assumed.credentials, assumed.principal
    return {
        "Credentials": {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token or "",
            "Expiration": stamp(credentials.expires_at or 0),
        },
        "AssumedRoleUser": {"AssumedRoleId": principal.unique_id, "Arn": principal.arn},
    }


def _write_error(refusal: StsRefusal, request_id: str) -> HttpAnswer:
    error: Content = {"Type": "Sender", "Code": refusal.code, "Message": str(refusal)}
    content: Content = {"Error": error, "RequestId": request_id}
    return _write(refusal.status, "ErrorResponse", content, request_id)


def _write(status: int, root: str, content: Content, request_id: str) -> HttpAnswer:
    body = f'<{root} xmlns="{_NAMESPACE}">{_write_xml(content)}</{root}>'
    headers = (
        ("content-type", "text/xml"),
        ("x-amzn-RequestId", request_id),
        ("access-control-allow-origin", "*"),  # pages take the second step of the classic flow
    )
    return HttpAnswer(status, headers, body.encode())


def _write_xml(content: "str | Content") -> str:
    if isinstance(content, str):
        return escape(_NOT_XML.sub("?", content))
    return "".join(f"<{name}>{_write_xml(value)}</{name}>" for name, value in content.items())
