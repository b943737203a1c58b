"""What only a backend may ask of an identity pool: users that the developer has authenticated.

Source: https://docs.aws.amazon.com/cognito/latest/developerguide/developer-authenticated-identities.html
"""

from dataclasses import dataclass

from bellwire_local.identity.linked_identities import LinkedIdentity, Login
from bellwire_local.identity.logins import AUTHENTICATED
from bellwire_local.identity.parameters import (
    Parameters,
    read_id,
    read_logins,
    read_optional_id,
    read_optional_text,
    read_principal_tags,
    read_provider_name,
    read_text,
    read_whole,
)
from bellwire_local.identity.pool import IdentityPool, Result
from bellwire_local.identity.quotas import DEVELOPER_TOKEN_MAX_S, DEVELOPER_TOKEN_S
from bellwire_local.identity.refusals import (
    CognitoRefusal,
    invalid_parameter,
)
from bellwire_local.identity.tokens import OpenIdToken

USER_ID_CHARACTERS = 1024
_PAGE = 60


@dataclass(frozen=True, slots=True)
class DeveloperIdentities:
    """The signed operations of a pool; who may call them is decided in `cognito`."""

    pool: IdentityPool

    def get_open_id_token(self, parameters: Parameters, now_s: float) -> Result:
        """Perform GetOpenIdTokenForDeveloperIdentity: find, make or link, then vouch."""
        self.pool.check_pool(parameters)
        wanted_id = read_optional_id(parameters, "IdentityId")
        lifetime_s = read_whole(
            parameters, "TokenDuration", DEVELOPER_TOKEN_S, DEVELOPER_TOKEN_MAX_S
        )
        tags = read_principal_tags(parameters)
        developer, others = self._read_logins(parameters, now_s)
        identity_id = self._own(wanted_id, developer, others, now_s)
        user = f"{developer.provider}:{self.pool.pool_id}:{developer.subject}"
        amr = (AUTHENTICATED, developer.provider, user)
        token = OpenIdToken(identity_id, self.pool.pool_id, amr, tags)
        text = self.pool.tokens.sign(token, int(now_s), lifetime_s)
        return {"IdentityId": identity_id, "Token": text}

    def look_up(self, parameters: Parameters, now_s: float) -> Result:  # noqa: ARG002  # as all operations
        """Perform LookupDeveloperIdentity, from either side or to check that both fit."""
        self.pool.check_pool(parameters)
        identity_id = read_optional_id(parameters, "IdentityId")
        user_id = read_optional_text(parameters, "DeveloperUserIdentifier", USER_ID_CHARACTERS)
        most = read_whole(parameters, "MaxResults", _PAGE, _PAGE)
        after = read_optional_text(parameters, "NextToken", 65_535)
        provider = self._require_provider()
        if identity_id is None and user_id is None:
            raise invalid_parameter("IdentityId or DeveloperUserIdentifier is expected")
        if user_id is not None:
            owner = self._require_owner(Login(provider, user_id))
            if identity_id not in (None, owner):
                raise CognitoRefusal(
                    "ResourceConflictException", "The user and the identity are not linked."
                )
            identity_id = owner
        identity = self.pool.find_linked(identity_id or "")
        users = [login.subject for login in identity.logins if login.provider == provider]
        return _page(identity.identity_id, users, after, most)

    def unlink(self, parameters: Parameters, now_s: float) -> Result:
        """Perform UnlinkDeveloperIdentity; the user is somebody new the next time."""
        self.pool.check_pool(parameters)
        identity_id = read_id(parameters, "IdentityId")
        login = Login(
            self._read_provider(parameters),
            read_text(parameters, "DeveloperUserIdentifier", USER_ID_CHARACTERS),
        )
        self.pool.find_linked(identity_id)
        if self._require_owner(login) != identity_id:
            raise CognitoRefusal(
                "ResourceConflictException", "The user belongs to another identity."
            )
        self.pool.linked.unlink([login], now_s)
        return {}

    def merge(self, parameters: Parameters, now_s: float) -> Result:
        """Perform MergeDeveloperIdentities: the source's logins move, its identity is disabled."""
        self.pool.check_pool(parameters)
        provider = self._read_provider(parameters)
        source, destination = (
            self._require_owner(
                Login(provider, read_text(parameters, f"{end}UserIdentifier", USER_ID_CHARACTERS))
            )
            for end in ("Source", "Destination")
        )
        if source != destination:
            self._check_public_logins(source, destination)
            moved = self.pool.find_linked(source).logins
            self.pool.check_login_count(self.pool.find_linked(destination), moved)
            self.pool.linked.merge(source, destination, now_s)
        return {"IdentityId": destination}

    def describe(self, parameters: Parameters, now_s: float) -> Result:  # noqa: ARG002  # as all operations
        """Perform DescribeIdentity; when a guest came is not kept, so a guest has no dates."""
        identity = self.pool.find_linked(read_id(parameters, "IdentityId"))
        answer: Result = {"IdentityId": identity.identity_id}
        if identity.logins:
            answer["Logins"] = sorted({login.provider for login in identity.logins})
        if identity.created_at_s:
            answer["CreationDate"] = identity.created_at_s
            answer["LastModifiedDate"] = identity.modified_at_s
        return answer

    def _read_logins(self, parameters: Parameters, now_s: float) -> tuple[Login, tuple[Login, ...]]:
        provider = self._require_provider()
        logins = read_logins(parameters)
        user_id = logins.pop(provider, None)
        if user_id is None:
            raise invalid_parameter(
                f"Logins has no user of the developer provider {provider!r} of this pool"
            )
        if len(user_id) > USER_ID_CHARACTERS:
            raise invalid_parameter(
                f"The user id has {len(user_id)} characters; {USER_ID_CHARACTERS} are allowed"
            )
        return Login(provider, user_id), self.pool.prover.prove(logins, now_s).logins

    def _own(
        self, wanted_id: str | None, developer: Login, others: tuple[Login, ...], now_s: float
    ) -> str:
        linked = self.pool.linked
        owner = linked.find_owner(developer)
        if None not in (owner, wanted_id) and owner != wanted_id:
            raise CognitoRefusal(
                "DeveloperUserAlreadyRegisteredException",
                "Developer user identifier is already registered with another identity.",
            )
        owners = {linked.find_owner(login) for login in others} - {None}
        identity_id = owner or wanted_id or next(iter(owners), None)
        if owners - {identity_id}:
            raise CognitoRefusal(
                "ResourceConflictException", "Login is already linked to another account."
            )
        if identity_id is None:
            identity = LinkedIdentity(self.pool.guests.create(), 0, 0, None, ())
        else:
            identity = self.pool.find_linked(identity_id)
        new = tuple(login for login in (developer, *others) if linked.find_owner(login) is None)
        self.pool.add_logins(identity, new, now_s)
        return identity.identity_id

    def _check_public_logins(self, source: str, destination: str) -> None:
        """Refuse to make one user of two whom a public provider tells apart.

        Source: API_MergeDeveloperIdentities.html.
        """
        of_source, of_destination = (
            {
                login.provider
                for login in self.pool.find_linked(each).logins
                if login.provider != self.pool.settings.developer_provider
            }
            for each in (source, destination)
        )
        if of_source & of_destination:
            raise CognitoRefusal(
                "ResourceConflictException", "Both users have a login of the same public provider."
            )

    def _require_provider(self) -> str:
        provider = self.pool.settings.developer_provider
        if provider is None:
            raise invalid_parameter("This identity pool has no developer provider.")
        return provider

    def _read_provider(self, parameters: Parameters) -> str:
        name = read_provider_name(parameters, "DeveloperProviderName")
        expected = self._require_provider()
        if name != expected:
            raise invalid_parameter(f"DeveloperProviderName is {name!r}; {expected!r} is expected")
        return name

    def _require_owner(self, login: Login) -> str:
        owner = self.pool.linked.find_owner(login)
        if owner is None:
            raise CognitoRefusal(
                "ResourceNotFoundException", f"Developer user {login.subject!r:.80} not found."
            )
        return owner


def _page(identity_id: str, users: list[str], after: str | None, most: int) -> Result:
    """Cut a page out of a sorted list; the token names how many came before, `"60"`."""
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 9):
        raise invalid_parameter("NextToken is none of ours")
    start = int(after or 0)
    answer: Result = {
        "IdentityId": identity_id,
        "DeveloperUserIdentifierList": users[start : start + most],
    }
    if start + most < len(users):
        answer["NextToken"] = str(start + most)
    return answer
