"""Cognito Identity, STS and their keys put together over one keyring and one database."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bellwire_local.accounts import Account, PoolSettings
from bellwire_local.clocks import Clocks
from bellwire_local.identity import api_gateway, cognito, sts
from bellwire_local.identity.api_gateway import ApiAuthorizer
from bellwire_local.identity.assuming import RoleAssumption
from bellwire_local.identity.credentials import CredentialIssuer
from bellwire_local.identity.decisions import DecisionLog
from bellwire_local.identity.discovery import Discovery
from bellwire_local.identity.identities import GuestIdentities
from bellwire_local.identity.inquiries import Inquiries
from bellwire_local.identity.keyring import Keyring
from bellwire_local.identity.linked_identities import LinkedIdentities
from bellwire_local.identity.logins import LoginProver
from bellwire_local.identity.oidc_keys import ProviderKeys, fetch_keys
from bellwire_local.identity.pool import IdentityPool
from bellwire_local.identity.profiles import Profiles, fetch_subject
from bellwire_local.identity.quotas import IdentityQuotas, RateLimiter
from bellwire_local.identity.roles import Roles
from bellwire_local.identity.sigv4 import Verifier
from bellwire_local.identity.tokens import TokenSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """What the identity services are told; `home` is the account that holds the pool."""

    region: str
    home: str
    pool_id: str
    accounts: Mapping[str, Account]
    pool: PoolSettings
    quotas: IdentityQuotas


@dataclass(frozen=True, slots=True)
class IdentityServices:
    """What answers on the AWS port."""

    cognito: cognito.CognitoIdentity
    sts: sts.Sts
    discovery: Discovery
    make_api_authorizer: Callable[[str], ApiAuthorizer]
    """Makes what authorizes the requests to an HTTP API, by its id."""


def assemble_identity(
    settings: IdentitySettings,
    keyring: Keyring,
    issuer: CredentialIssuer,
    storage: sqlite3.Connection,
    clocks: Clocks,
    log: DecisionLog,
) -> IdentityServices:
    """Build the services.

    Raises:
        PolicyRefused: a role's policy or trust policy cannot be enforced.
    """
    region, home, pool_id = settings.region, settings.home, settings.pool_id
    tokens = TokenSigner(keyring.signing_key, region, home)
    inquiries = Inquiries(ProviderKeys(fetch_keys, clocks.wall_s), Profiles(fetch_subject))
    roles = Roles(settings.accounts, home, settings.pool, pool_id, log)
    prover = LoginProver(
        account_id=home,
        pool_id=pool_id,
        tokens=tokens,
        providers=settings.pool.providers,
        developer_provider=settings.pool.developer_provider,
        inquiries=inquiries,
    )
    pool = IdentityPool(
        account_id=home,
        pool_id=pool_id,
        settings=settings.pool,
        guests=GuestIdentities(keyring.master_key, region, pool_id),
        linked=LinkedIdentities(storage),
        roles=roles,
        tokens=tokens,
        issuer=issuer,
        prover=prover,
    )

    def verifier_for(service: str) -> Verifier:
        return Verifier(region, (service,), issuer.look_up, note_refusal=log.keep_unsigned)

    return IdentityServices(
        cognito.CognitoIdentity(
            pool,
            region=region,
            verifier=verifier_for(cognito.SERVICE),
            inquiries=inquiries,
            limiter=RateLimiter(settings.quotas),
            wall_clock_s=clocks.wall_s,
            monotonic_s=clocks.monotonic_s,
        ),
        sts.Sts(
            RoleAssumption(roles=roles, tokens=tokens, issuer=issuer, pool=settings.pool),
            verifier=verifier_for(sts.SERVICE),
            wall_clock_s=clocks.wall_s,
        ),
        Discovery(tokens),
        lambda api_id: ApiAuthorizer(
            region, home, api_id, verifier_for(api_gateway.SERVICE), roles, clocks.wall_s
        ),
    )
