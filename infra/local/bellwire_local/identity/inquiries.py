"""What providers are asked when a login is proven: the rules say what they want, this asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bellwire_local.identity.oidc_keys import KeysWanted, ProviderKeys
from bellwire_local.identity.profiles import Profiles, ProfileWanted

Wanted = KeysWanted | ProfileWanted
WANTED = (KeysWanted, ProfileWanted)
"""For `except`."""


@dataclass(frozen=True, slots=True)
class Inquiries:
    """What issuers and providers of opaque tokens have answered so far."""

    keys: ProviderKeys
    profiles: Profiles

    @asynccontextmanager
    async def made(self, wanted: Wanted) -> AsyncIterator[None]:
        """Ask for what is wanted; within the block, at least, the answer is known."""
        if isinstance(wanted, KeysWanted):
            await self.keys.fetch(wanted.issuer)
            yield
        else:
            async with self.profiles.asked(wanted.question):
                yield
