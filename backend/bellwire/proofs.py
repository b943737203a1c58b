"""How callers of the command line and the library prove themselves: by a key, or by a signature.

The signature is that of the SDK's usual credentials and needs boto3, which is imported for it alone
and takes longer than all else: whoever has a key does not wait for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bellwire.config import KEY_NAME, Target
from bellwire.errors import Unauthenticated
from bellwire.http_calls import Proof


@dataclass(frozen=True, slots=True)
class KeyProof:
    """The key of one service, as a bearer token."""

    key: str = field(repr=False)
    is_signature: bool = False

    def headers(
        self, _method: str, _url: str, headers: Mapping[str, str], _body: bytes
    ) -> Mapping[str, str]:
        """See `Proof.headers`."""
        return {**headers, "authorization": f"Bearer {self.key}"}

    def explain_refusal(self, _method: str, _path: str) -> str | None:
        """See `Proof.explain_refusal`."""
        return None


def proof_for(target: Target, region: str | None = None) -> Proof:
    """Take the key that is known for a service; else sign with the SDK's usual credentials.

    Args:
        target: the service.
        region: where it is; None: its host tells, or the SDK's configuration.

    Raises:
        Unauthenticated: there is no key, and no credentials; or the region is not known.
    """
    if target.key is not None:
        return KeyProof(target.key)
    from bellwire.aws.own_credentials import find_signer  # noqa: PLC0415 - boto3

    signer = find_signer(target.url, region)
    if signer is None:
        raise Unauthenticated(
            f"no key for {target.url} and no AWS credentials: start `bellwire dev` as this user or"
            f" set {KEY_NAME}; on AWS set AWS_PROFILE, or whatever else the SDK takes"
        )
    return signer
