"""Guest identity ids that prove themselves: half random, half a seal over that half.

A restart forgets no guest and no table grows with every visitor.
"""

import hmac
import secrets
import uuid

_HALF_BYTES = 8


class GuestIdentities:
    """The unauthenticated identities of one pool; ids look like `us-east-1:<uuid>`."""

    def __init__(self, master_key: bytes, region: str, pool_id: str) -> None:
        self._master_key = master_key
        self._region = region
        self._pool_id = pool_id

    def create(self) -> str:
        """Make an identity id nobody has had."""
        seed = bytearray(secrets.token_bytes(_HALF_BYTES))
        seed[6] = seed[6] & 0x0F | 0x40  # looks like a UUID of version 4
        return self._identity_id(bytes(seed))

    def is_known(self, identity_id: str) -> bool:
        """Whether this pool made the id."""
        region, _, guid = identity_id.partition(":")
        try:
            seed = uuid.UUID(guid).bytes[:_HALF_BYTES]
        except ValueError:
            return False
        expected = self._identity_id(seed)
        return region == self._region and hmac.compare_digest(
            expected.encode(), identity_id.encode()
        )

    def _identity_id(self, seed: bytes) -> str:
        content = f"guest\0{self._pool_id}\0".encode() + seed
        seal = bytearray(hmac.digest(self._master_key, content, "sha256")[:_HALF_BYTES])
        seal[0] = seal[0] & 0x3F | 0x80
        return f"{self._region}:{uuid.UUID(bytes=seed + bytes(seal))}"
