"""The rules of an identity pool: who has which identity, and what they get for it.

Pure but for its tables; how calls look on the wire: see `cognito`. What only a backend may call:
see `developer`.
Source: https://docs.aws.amazon.com/cognito/latest/developerguide/authentication-flow.html
"""

from dataclasses import dataclass

from bellwire_local.accounts import PoolSettings
from bellwire_local.identity.credentials import CredentialIssuer
from bellwire_local.identity.identities import GuestIdentities
from bellwire_local.identity.linked_identities import LinkedIdentities, LinkedIdentity, Login
from bellwire_local.identity.logins import LoginProver, Proven
from bellwire_local.identity.parameters import (
    Parameters,
    read_id,
    read_logins,
    read_names,
    read_optional_text,
)
from bellwire_local.identity.principals import COGNITO_SESSION_NAME, Principal
from bellwire_local.identity.quotas import (
    ENHANCED_SESSION_S,
    GUEST_TOKEN_S,
    LOGINS_PER_IDENTITY,
)
from bellwire_local.identity.refusals import (
    CognitoRefusal,
    forbidden_identity,
    identity_not_found,
    invalid_parameter,
    logins_do_not_match,
    not_authorized,
)
from bellwire_local.identity.roles import WEB_IDENTITY, Circumstances, RoleInForce, Roles
from bellwire_local.identity.tokens import OpenIdToken, TokenSigner

Result = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityPool:
    """One identity pool of the home account; every time is in seconds since 1970."""

    account_id: str
    pool_id: str
    settings: PoolSettings
    guests: GuestIdentities
    linked: LinkedIdentities
    roles: Roles
    tokens: TokenSigner
    issuer: CredentialIssuer
    prover: LoginProver

    def get_id(self, parameters: Parameters, now_s: float) -> Result:
        """Perform GetId: a new guest at each call, but the same identity for the same login."""
        account_id = read_optional_text(parameters, "AccountId", 15)
        if account_id is not None and not (account_id.isascii() and account_id.isdigit()):
            raise invalid_parameter(f"AccountId is {account_id!r}; digits are expected")
        self.check_pool(parameters)
        proven = self._prove(parameters, now_s)
        if proven.is_guest:
            return {"IdentityId": self.guests.create()}
        return {"IdentityId": self._own(None, proven, now_s)}

    def get_credentials_for_identity(self, parameters: Parameters, now_s: float) -> Result:
        """Perform GetCredentialsForIdentity, the enhanced flow."""
        identity_id = read_id(parameters, "IdentityId")
        custom_role = read_optional_text(parameters, "CustomRoleArn", 2048)
        proven = self._prove(parameters, now_s)
        if custom_role is not None:
            # Role mapping is not emulated: the pool has one role for everybody who has logged in.
            raise invalid_parameter("CustomRoleArn is not supported by this identity pool.")
        identity_id = self._own(identity_id, proven, now_s)
        token = OpenIdToken(identity_id, self.pool_id, proven.amr, proven.principal_tags)
        role = self._find_pool_role(token, proven, now_s)
        principal = Principal(
            role.account_id,
            role.name,
            COGNITO_SESSION_NAME,
            identity_id,
            self.pool_id,
            proven.amr,
        )
        issued = self.issuer.issue_temporary(principal, now_s, ENHANCED_SESSION_S)
        credentials = {
            "AccessKeyId": issued.access_key_id,
            "SecretKey": issued.secret_access_key,
            "SessionToken": issued.session_token,
            "Expiration": float(issued.expires_at or 0),
        }
        return {"IdentityId": identity_id, "Credentials": credentials}

    def get_open_id_token(self, parameters: Parameters, now_s: float) -> Result:
        """Perform GetOpenIdToken, the second step of the basic (classic) flow."""
        identity_id = read_id(parameters, "IdentityId")
        if not self.settings.has_classic_flow:
            raise invalid_parameter(
                "Basic (classic) flow is not enabled, please use enhanced flow."
            )
        proven = self._prove(parameters, now_s)
        identity_id = self._own(identity_id, proven, now_s)
        token = OpenIdToken(identity_id, self.pool_id, proven.amr, proven.principal_tags)
        lifetime_s = GUEST_TOKEN_S
        if proven.until_s is not None and not self.settings.tokens_renew_themselves:
            lifetime_s = min(lifetime_s, proven.until_s - int(now_s))
        text = self.tokens.sign(token, int(now_s), lifetime_s)
        return {"IdentityId": identity_id, "Token": text}

    def unlink_identity(self, parameters: Parameters, now_s: float) -> Result:
        """Perform UnlinkIdentity."""
        identity_id = read_id(parameters, "IdentityId")
        removed = read_names(parameters, "LoginsToRemove")
        proven = self.prover.prove(read_logins(parameters), now_s)
        identity = self.find_linked(identity_id)
        if proven.is_guest:
            raise forbidden_identity(identity_id)
        if not self._owners(proven) & {identity_id}:
            raise logins_do_not_match()
        gone = [login for login in identity.logins if login.provider in removed]
        self.linked.unlink(gone, now_s)
        return {}

    def check_pool(self, parameters: Parameters) -> None:
        """Refuse every pool but this one."""
        pool_id = read_id(parameters, "IdentityPoolId")
        if pool_id != self.pool_id:
            raise CognitoRefusal(
                "ResourceNotFoundException", f"IdentityPool '{pool_id}' not found."
            )

    def find_linked(self, identity_id: str) -> LinkedIdentity:
        """Return an identity; a guest has no logins.

        Raises:
            CognitoRefusal: the pool has no such identity, or it was disabled by a merge.
        """
        identity = self.linked.find(identity_id)
        if identity is None and self.guests.is_known(identity_id):
            return LinkedIdentity(identity_id, 0, 0, None, ())
        if identity is None:
            raise identity_not_found(identity_id)
        if identity.merged_into is not None:
            raise forbidden_identity(identity_id)
        return identity

    def add_logins(self, identity: LinkedIdentity, logins: tuple[Login, ...], now_s: float) -> None:
        """Link logins that belong to nobody yet."""
        self.check_login_count(identity, logins)
        if logins:
            self.linked.link(identity.identity_id, logins, now_s)

    def check_login_count(self, identity: LinkedIdentity, more: tuple[Login, ...]) -> None:
        """Refuse to link more logins than an identity may have."""
        if len(identity.logins) + len(more) > LOGINS_PER_IDENTITY:
            raise CognitoRefusal(
                "LimitExceededException",
                f"Identity '{identity.identity_id}' has {len(identity.logins)} logins; "
                f"{LOGINS_PER_IDENTITY} are allowed.",
            )

    def _prove(self, parameters: Parameters, now_s: float) -> Proven:
        proven = self.prover.prove(read_logins(parameters), now_s)
        if proven.is_guest and self.settings.unauthenticated_role is None:
            raise not_authorized("Unauthenticated access is not supported for this identity pool.")
        return proven

    def _own(self, identity_id: str | None, proven: Proven, now_s: float) -> str:
        """Return the identity that a caller may use, having linked or merged what was new."""
        if proven.is_guest:
            return self._own_as_guest(identity_id or "")
        owners = self._owners(proven)
        if len(owners) > 1:
            raise CognitoRefusal(
                "ResourceConflictException", "Login is already linked to another account."
            )
        owner = next(iter(owners), None)
        if identity_id is not None and identity_id != owner:
            return self._join(identity_id, owner, proven, now_s)
        owner = owner or self.guests.create()
        new = tuple(login for login in proven.logins if self.linked.find_owner(login) is None)
        identity = self.linked.find(owner) or LinkedIdentity(owner, 0, 0, None, ())
        if identity.merged_into is not None:
            raise forbidden_identity(owner)
        self.add_logins(identity, new, now_s)
        return owner

    def _own_as_guest(self, identity_id: str) -> str:
        if self.linked.find(identity_id) is not None:
            raise forbidden_identity(identity_id)
        if not self.guests.is_known(identity_id):
            raise identity_not_found(identity_id)
        return identity_id

    def _join(self, identity_id: str, owner: str | None, proven: Proven, now_s: float) -> str:
        """Bring an identity and the logins of somebody else, or of nobody, together."""
        identity = self.linked.find(identity_id)
        if identity is not None and identity.merged_into == owner and owner is not None:
            return owner
        if identity is None and not self.guests.is_known(identity_id):
            raise identity_not_found(identity_id)
        if identity is not None or proven.identity_id is not None:
            raise logins_do_not_match()
        if owner is None:
            self.add_logins(LinkedIdentity(identity_id, 0, 0, None, ()), proven.logins, now_s)
            return identity_id
        self.linked.merge(identity_id, owner, now_s)
        return owner

    def _owners(self, proven: Proven) -> set[str]:
        self._check_still_linked(proven)
        owners = {self.linked.find_owner(login) for login in proven.logins}
        owners.add(proven.identity_id)
        return {owner for owner in owners if owner is not None}

    def _check_still_linked(self, proven: Proven) -> None:
        """Refuse a token of the pool whose user was unlinked since; merging is another matter."""
        if proven.identity_id is None or self.settings.tokens_outlive_unlinking:
            return
        identity = self.linked.find(proven.identity_id)
        if identity is not None and identity.merged_into is not None:
            return
        if any(self.linked.find_owner(each) != proven.identity_id for each in proven.vouched):
            raise logins_do_not_match()

    def _find_pool_role(self, token: OpenIdToken, proven: Proven, now_s: float) -> RoleInForce:
        settings = self.settings
        name = settings.unauthenticated_role if proven.is_guest else settings.authenticated_role
        role = None if name is None else self.roles.find(self.account_id, name)
        circumstances = Circumstances(now_s, session_name=COGNITO_SESSION_NAME)
        if role is None:
            wanted = f"arn:aws:iam::{self.account_id}:role/{name or ''}"
            self.roles.note_absence(token.identity_id, WEB_IDENTITY, wanted, now_s)
        if role is None or not self.roles.trusts_token(role, token, circumstances):
            raise CognitoRefusal(
                "InvalidIdentityPoolConfigurationException",
                "Invalid identity pool configuration. Check assigned IAM roles for this pool.",
            )
        return role
