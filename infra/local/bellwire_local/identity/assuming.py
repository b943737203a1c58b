"""The rules of STS: who may become which role, for how long, and how narrowed.

Sources: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html and
API_AssumeRoleWithWebIdentity.html; how calls look on the wire: see `sts`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bellwire_local.accounts import PoolSettings
from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.policies import read_policy
from bellwire_local.identity.credentials import CredentialIssuer, Credentials, Grant
from bellwire_local.identity.principals import Principal
from bellwire_local.identity.quotas import (
    CHAINED_SESSION_MAX_S,
    SESSION_DEFAULT_S,
    SESSION_MAX_S,
    SESSION_MIN_S,
    SESSION_POLICY_CHARACTERS,
)
from bellwire_local.identity.refusals import StsRefusal
from bellwire_local.identity.roles import (
    ASSUME_ROLE,
    WEB_IDENTITY,
    Circumstances,
    RoleInForce,
    Roles,
)
from bellwire_local.identity.tokens import OpenIdToken, TokenExpired, TokenRefused, TokenSigner

_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_POLICY_TEXT = re.compile(r"[\t\n\r\x20-\xff]+")
_TOKEN_CHARACTERS = range(4, 20_001)
_ROLE_ARN_CHARACTERS = range(20, 2049)

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Assumed:
    """A role that was assumed; `token` is the web identity that did."""

    principal: Principal
    credentials: Credentials
    token: OpenIdToken | None = None


@dataclass(frozen=True, slots=True)
class _Wish:
    """What both operations ask for."""

    role_arn: str
    session_name: str
    duration_s: int
    session_policies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssumption:
    """Makes sessions of roles; every time is in seconds since 1970."""

    roles: Roles
    tokens: TokenSigner
    issuer: CredentialIssuer
    pool: PoolSettings

    def with_web_identity(self, fields: Fields, source_ip: str, now_s: float) -> Assumed:
        """Perform AssumeRoleWithWebIdentity for the bearer of a token of the identity pool."""
        wish = _read_wish(fields)
        text = fields.get("WebIdentityToken", "")
        if len(text) not in _TOKEN_CHARACTERS:
            raise _invalid("webIdentityToken", "have 4 to 20000 characters", "…")
        token = self._read_token(text, now_s)
        role = self.roles.find_by_arn(wish.role_arn)
        circumstances = Circumstances(now_s, source_ip, wish.session_name)
        if role is None:
            self.roles.note_absence(token.identity_id, WEB_IDENTITY, wish.role_arn, now_s)
        if role is None or not self.roles.trusts_token(role, token, circumstances):
            # AWS does not tell a role that is absent from one that does not trust.
            raise StsRefusal("AccessDenied", f"Not authorized to perform {WEB_IDENTITY}", 403)
        _check_duration(wish, role)
        principal = Principal(
            role.account_id,
            role.name,
            wish.session_name,
            token.identity_id,
            token.pool_id,
            token.amr,
            wish.session_policies,
        )
        return Assumed(principal, self._issue(principal, wish, now_s), token)

    def as_caller(self, fields: Fields, caller: Grant, source_ip: str, now_s: float) -> Assumed:
        """Perform AssumeRole: the caller's own policies and the role's trust must both allow it.

        AWS asks less where a trust policy of the same account names the caller's very role.
        """
        wish = _read_wish(fields)
        circumstances = Circumstances(
            now_s, source_ip, wish.session_name, _read_external_id(fields)
        )
        role = self._find_for(caller.principal, wish.role_arn, circumstances)
        _check_duration(wish, role)
        if caller.expires_at is not None and wish.duration_s > CHAINED_SESSION_MAX_S:
            raise StsRefusal(
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed "
                "by role chaining",
            )
        principal = Principal(
            role.account_id,
            role.name,
            wish.session_name,
            session_policies=wish.session_policies,
        )
        return Assumed(principal, self._issue(principal, wish, now_s))

    def _find_for(
        self, caller: Principal, role_arn: str, circumstances: Circumstances
    ) -> RoleInForce:
        why = self.roles.explain_refusal(caller, ASSUME_ROLE, role_arn, circumstances)
        if why is not None:
            raise StsRefusal("AccessDenied", why, 403)
        role = self.roles.find_by_arn(role_arn)
        if role is None:
            self.roles.note_absence(str(caller), ASSUME_ROLE, role_arn, circumstances.now_s)
        if role is None or not self.roles.trusts_session(role, caller, circumstances):
            raise StsRefusal(
                "AccessDenied",
                f"User: {caller.arn} is not authorized to perform: {ASSUME_ROLE} on resource: "
                f"{role_arn}",
                403,
            )
        return role

    def _issue(self, principal: Principal, wish: _Wish, now_s: float) -> Credentials:
        return self.issuer.issue_temporary(principal, now_s, wish.duration_s)

    def _read_token(self, text: str, now_s: float) -> OpenIdToken:
        try:
            token = self.tokens.read(text, now_s)
        except TokenExpired as error:
            raise StsRefusal(
                "ExpiredTokenException",
                f"Token expired: current date/time {stamp(now_s)} must be before the expiration "
                f"date/time {stamp(error.expired_at)}",
            ) from error
        except TokenRefused as error:
            raise StsRefusal(
                "InvalidIdentityToken",
                "The token is not one of this identity pool, the only provider known here.",
            ) from error
        if self._is_beyond_classic_flow(token):
            raise StsRefusal(
                "InvalidIdentityToken",
                "Basic (classic) flow is not enabled, please use enhanced flow.",
            )
        return token

    def _is_beyond_classic_flow(self, token: OpenIdToken) -> bool:
        is_developers = self.pool.developer_provider in token.amr
        is_exempt = is_developers and not self.pool.developer_tokens_need_classic_flow
        return not self.pool.has_classic_flow and not is_exempt


def stamp(moment_s: float) -> str:
    """Write a time as STS does, `2025-05-26T17:00:13Z`."""
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_wish(fields: Fields) -> _Wish:
    role_arn, session_name = fields.get("RoleArn", ""), fields.get("RoleSessionName", "")
    if len(role_arn) not in _ROLE_ARN_CHARACTERS:
        raise _invalid("roleArn", "have 20 to 2048 characters", role_arn)
    if not role_arn.startswith("arn:"):
        raise StsRefusal("ValidationError", f"{role_arn!r:.80} is invalid")
    if not _SESSION_NAME.fullmatch(session_name):
        raise _invalid("roleSessionName", r"satisfy the pattern [\w+=,.@-]{2,64}", session_name)
    duration = fields.get("DurationSeconds", str(SESSION_DEFAULT_S))
    is_whole = duration.isascii() and duration.isdigit() and len(duration) < 9
    if not is_whole or not SESSION_MIN_S <= int(duration) <= SESSION_MAX_S:
        expected = f"be a whole number of {SESSION_MIN_S} to {SESSION_MAX_S}"
        raise _invalid("durationSeconds", expected, duration)
    policy = fields.get("Policy")
    policies = () if policy is None else (_check_policy(policy),)
    return _Wish(role_arn, session_name, int(duration), policies)


def _read_external_id(fields: Fields) -> str | None:
    found = fields.get("ExternalId")
    if found is not None and not _EXTERNAL_ID.fullmatch(found):
        raise _invalid("externalId", r"satisfy the pattern [\w+=,.@:\/-]{2,1224}", found)
    return found


def _check_policy(text: str) -> str:
    """Check a session policy.

    Which of two errors AWS gives beyond the documented 2,048 characters is not known; ours is the
    one that clients have a type for.
    """
    if len(text) > SESSION_POLICY_CHARACTERS:
        raise StsRefusal(
            "PackedPolicyTooLarge",
            f"The session policy has {len(text)} characters; {SESSION_POLICY_CHARACTERS} are "
            "allowed",
        )
    if not _POLICY_TEXT.fullmatch(text):
        raise _invalid("policy", "have 1 or more characters up to U+00FF", text)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StsRefusal("MalformedPolicyDocument", f"It is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise StsRefusal("MalformedPolicyDocument", "It is not a JSON object")
    try:
        read_policy("session policy", document)
    except PolicyRefused as error:
        raise StsRefusal("MalformedPolicyDocument", str(error)) from error
    return text


def _check_duration(wish: _Wish, role: RoleInForce) -> None:
    if wish.duration_s > role.max_session_s:
        raise StsRefusal(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )


def _invalid(name: str, expected: str, found: str) -> StsRefusal:
    return StsRefusal(
        "ValidationError",
        f"1 validation error detected: Value {found!r:.80} at '{name}' failed to satisfy "
        f"constraint: Member must {expected}",
    )
