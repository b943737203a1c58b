"""A deployment where people can log in: the real directory, log and tokens, a model of AWS."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy import Engine

from backend.aws_model import AttachedPolicies, LiveClients, PoolOfUsers
from backend.conftest import Clock
from backend.doubles import KeepingBroker
from bellwire.bearers import POOL_ISSUER, Bearers
from bellwire.errors import TooMany, Unauthenticated
from bellwire.fanout import InlineFanOut
from bellwire.handlers.assembled import AssembledDeployment, AssembledMembers
from bellwire.handlers.edge import answer
from bellwire.handlers.poll import handle_poll, handle_signed_poll
from bellwire.handlers.session import handle_session
from bellwire.identity_ports import Credentials
from bellwire.json_web_tokens import ASYMMETRIC, SharedSecret, sign
from bellwire.logins import Logins, OwnLogin, Provider
from bellwire.policies import Place, load_policy
from bellwire.revocation import Bouncer
from bellwire.sessions import Membership
from bellwire.sql.directory import SqlDirectory
from bellwire.sql.log import SqlLog
from bellwire.sql.presence import SqlPresence
from infra.local.identity.oidc_issuer import make_key

PLACE = Place("us-east-1", "000000000000", "dev")
POOL_ID = "us-east-1:11111111-1111-4111-8111-111111111111"
ALICE = "us-east-1:00000000-0000-4000-8000-000000000001"
BOB = "us-east-1:00000000-0000-4000-8000-000000000002"
"""The first two whom the pool vouches for."""

LOGIN_SECRET = hashlib.sha256(b"login").digest()
BEARER_SECRET = hashlib.sha256(b"bearers").digest()
PROVIDER = "id.example"


@cache
def pool_key() -> RSAPrivateKey:
    return make_key()


@dataclass(frozen=True)
class PoolKeys:
    """The `Keys` of a pool with one key, `pool`, for RS512 as Cognito's are."""

    algorithms = ASYMMETRIC

    def find(self, key_id: str | None, algorithm: str) -> Any:
        if key_id != "pool" or algorithm != "RS512":
            raise Unauthenticated("the token is signed with a key that its issuer does not list")
        return pool_key().public_key()


def pool_token(identity_id: str, issued_at_s: int, **claims: Any) -> str:
    """Sign a member's token as Cognito does; a claim that is None is left out."""
    content = {
        "iss": POOL_ISSUER,
        "aud": POOL_ID,
        "sub": identity_id,
        "amr": ["authenticated", "login.example", f"login.example:{POOL_ID}:alice"],
        "iat": issued_at_s,
        "exp": issued_at_s + 3600,
        **claims,
    }
    kept = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(kept, pool_key(), "RS512", {"kid": "pool"})


@dataclass
class Narrowings:
    """A `NarrowedCredentials` that keeps what it was asked for."""

    asked: list[tuple[str, str, int]] = field(default_factory=list)
    is_busy: bool = False

    def narrowed(self, policy: str, *, session_name: str, lifetime_s: int) -> Credentials:
        if self.is_busy:
            raise TooMany("STS takes no more calls", 3)
        self.asked.append((policy, session_name, lifetime_s))
        return Credentials("ASIANARROW", "narrow secret", "narrow session", 1_795_418_363_000)


@dataclass
class Club:
    """The deployment, and what a test asks and changes of it."""

    engine: Engine
    log: SqlLog
    clock: Clock
    pool: PoolOfUsers = field(default_factory=PoolOfUsers)
    grants: AttachedPolicies = field(default_factory=AttachedPolicies)
    clients: LiveClients = field(default_factory=LiveClients)
    narrowings: Narrowings = field(default_factory=Narrowings)
    has_guests: bool = True

    def __post_init__(self) -> None:
        self.directory = SqlDirectory(self.engine)
        self.pool.now_s = self.now_s
        self.pool.sign = lambda identity_id, ends_at_s: pool_token(
            identity_id, int(self.now_s()), exp=ends_at_s
        )

    def now_s(self) -> float:
        return self.clock.now_ms / 1000

    @property
    def deployment(self) -> AssembledDeployment:
        return AssembledDeployment(
            place=PLACE,
            log=self.log,
            appends=self.log,
            fan_out=InlineFanOut(self.log, KeepingBroker(), "dev"),
            identities=self.pool,
            guest_role=load_policy("guest_role", PLACE) if self.has_guests else None,
            config={"v": 1, "stage": "dev"},
            members=self._members(),
            now_s=self.now_s,
        )

    def _members(self) -> AssembledMembers:
        made_of = Membership(
            place=PLACE,
            identities=self.pool,
            directory=self.directory,
            open_grants=lambda: self.grants,
            narrowing=self.narrowings,
            bearers=Bearers(
                pool_id=POOL_ID, pool_keys=PoolKeys(), secret=lambda: BEARER_SECRET, stage="dev"
            ),
        )
        bouncer = Bouncer(
            identities=self.pool,
            directory=self.directory,
            open_grants=lambda: self.grants,
            connections=self.clients,
            client_ids_of=lambda _: (),
            now_s=self.now_s,
            wait_s=lambda seconds: self.clock.advance(seconds + 0.001),  # its steps are of 1 ms
        )
        own = OwnLogin(SharedSecret(LOGIN_SECRET), "https://login.example", "dashboard")
        foreign = {
            PROVIDER: Provider("https://id.example", groups_claim="teams"),
            "graph.facebook.com": Provider(),
        }
        presence = SqlPresence(self.engine)
        return AssembledMembers(
            Logins(own, foreign), made_of, bouncer, POOL_ID, presence, frozenset({"group"})
        )

    def login(self, user: str = "alice", *groups: str, **claims: Any) -> str:
        """Sign a login token of now."""
        now_s = int(self.now_s())
        content = {
            "iss": "https://login.example",
            "aud": "dashboard",
            "sub": user,
            "groups": list(groups),
            "iat": now_s,
            "exp": now_s + 3600,
            **claims,
        }
        return sign(content, LOGIN_SECRET)

    def call(
        self, handle: Any, body: Any = None, token: str | None = None, **event: Any
    ) -> tuple[int, Any, dict[str, str]]:
        """Call a handler as API Gateway does; return status, content and headers."""
        asked: dict[str, Any] = {"rawPath": "/v1/test", "headers": {}, **event}
        if token is not None:
            asked["headers"] = {**asked["headers"], "authorization": f"Bearer {token}"}
        if body is not None:
            asked["body"] = body if isinstance(body, str) else json.dumps(body)
        found = answer(handle, asked, self.deployment)
        text = found.get("body")
        return found["statusCode"], json.loads(text) if text else None, found["headers"]


def session(club: Club, user: str = "alice", *groups: str, **body: Any) -> dict[str, Any]:
    status, content, _ = club.call(handle_session, body, club.login(user, *groups))
    assert status == 200, content
    found: dict[str, Any] = content
    return found


def poll(club: Club, query: str, token: str | None = None, **event: Any) -> Any:
    return club.call(handle_poll, None, token, rawQueryString=query, **event)


def code_of(result: tuple[int, Any, Any]) -> tuple[int, str]:
    return result[0], result[1]["error"]["code"]


def signed_by(**identity: Any) -> dict[str, Any]:
    """The request context of a signed request, API Gateway's payload format 2.0."""
    whose = {"amr": ["authenticated"], "identityId": ALICE, "identityPoolId": POOL_ID, **identity}
    return {"authorizer": {"iam": {"cognitoIdentity": whose, "userArn": "arn:aws:sts::…"}}}


def signed_poll(club: Club, query: str, context: Any) -> Any:
    return club.call(handle_signed_poll, None, rawQueryString=query, requestContext=context)
