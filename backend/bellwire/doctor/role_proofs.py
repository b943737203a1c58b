"""By what the doctor may publish and kick: a profile, a role of the stack, or the SDK's own."""

from collections.abc import Mapping
from typing import Final, Literal

from bellwire.aws.own_calls import assume_role
from bellwire.aws.own_credentials import signer_of_keys, signer_of_profile
from bellwire.config import Target
from bellwire.doctor.deployed import Deployed
from bellwire.errors import BellwireError
from bellwire.http_calls import Proof
from bellwire.proofs import proof_for

Role = Literal["job", "operator"]
ROLE_NAMES: Final[Mapping[Role, str]] = {"job": "publisher_role", "operator": "operator_role"}
SESSION_NAME: Final = "bellwire-doctor"


def prove_as(
    role: Role,
    target: Target,
    region: str,
    profiles: Mapping[str, str],
    deployed: Deployed | None,
) -> tuple[Proof, str]:
    """Return a proof and, in words, whose it is; "" for whoever has the service's key.

    A profile that is named comes first, then the role in the stack's outputs, which the SDK's
    usual credentials assume; where they may not, they are tried themselves, and that is said.

    Raises:
        Unauthenticated: there is nothing to prove it by.
    """
    profile = profiles.get(role)
    if profile is not None:
        return signer_of_profile(profile, target.url, region), f"by the profile {profile}"
    arn = _role_arn(role, deployed)
    if arn is None:
        return proof_for(target, region), "" if target.key else "by the SDK's credentials"
    try:
        keys = assume_role(arn, SESSION_NAME, region)
    except BellwireError as error:
        return proof_for(target, region), f"by the SDK's own credentials, since {error.message}"
    name = arn.rpartition("/")[2]
    return signer_of_keys(keys, f"role {name}", target.url, region), f"as {name}"


def _role_arn(role: Role, deployed: Deployed | None) -> str | None:
    if deployed is None:
        return None
    return deployed.publisher_role_arn if role == "job" else deployed.operator_role_arn
