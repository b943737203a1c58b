"""Whose opaque access token is this? Its provider is asked, anew for each call to Cognito.

`GET profile_url` with `Authorization: Bearer <token>`, so that no token stands in a URL (RFC 6750,
section 2.1), tells the subject as Facebook, Login with Amazon and OpenID Connect do: in `id`,
`user_id` or `sub`, of which the first that is there counts.

Sources: https://developers.facebook.com/docs/graph-api/overview (`/me`, `{"id": "10101"}`);
https://developers.facebook.com/docs/facebook-login/access-tokens/debugging-and-error-handling (400
for a token that expired or was revoked);
https://developer.amazon.com/docs/login-with-amazon/obtain-customer-profile.html (`/user/profile`,
the header, `{"user_id": "amzn1.account.…"}`);
https://openid.net/specs/openid-connect-core-1_0.html#UserInfo (`{"sub": "ann"}`).
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import urllib3

from bellwire_local.identity.fetching import (
    FETCH_WAIT_S,
    ProviderUnreachable,
    fetch,
    read_object,
)
from bellwire_local.identity.oidc_tokens import is_subject
from bellwire_local.identity.refusals import CognitoRefusal

SUBJECT_FIELDS = ("id", "user_id", "sub")
ASKED_AT_ONCE = 8
"""How many questions are on their way; more wait, within FETCH_WAIT_S. Ours."""

_SENDABLE = re.compile(r"[!-~]+")
"""What can stand in a header. Source: RFC 9110, section 5.5."""

_REFUSING = frozenset({400, 401, 403})
"""Facebook: 400; Amazon: 400, or 401 for a token of another scope; OpenID Connect: 401 or 403."""

_REFUSED = "Token is expired."
"""What Cognito says of a token that Facebook did not take, whatever was wrong with it.

Source: https://github.com/aws-amplify/aws-sdk-android/issues/829, of a token just given out.
"""


@dataclass(frozen=True, slots=True)
class Question:
    """A token, and where its provider tells whose it is."""

    profile_url: str
    token: str = field(repr=False)


Fetch = Callable[[Question], str]
"""Question → subject; raises AccessTokenRefused, ProviderUnreachable. May block: has a thread."""


class ProfileWanted(Exception):
    """An answer has to wait until a provider was asked; the message names no token."""

    def __init__(self, question: Question) -> None:
        self.question = question
        super().__init__(f"the profile at {question.profile_url}")


class AccessTokenRefused(Exception):
    """The token proves nothing; the message is what Cognito says after "Invalid login token."."""


@dataclass(slots=True)
class _Asked:
    answer: asyncio.Task[str | AccessTokenRefused | CognitoRefusal]
    waiting: int = 0


class Profiles:
    """What providers say of tokens, known only while a call is waiting for it.

    So a token that its provider has revoked is refused by the next call: nothing is kept for later,
    but calls that wait for the same token at one time share an answer.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._threads = ThreadPoolExecutor(ASKED_AT_ONCE, "profiles")
        self._asked: dict[Question, _Asked] = {}

    def find(self, question: Question) -> str:
        """Return the subject of a token.

        Raises:
            ProfileWanted: its provider has to be asked first.
            AccessTokenRefused: the provider does not take it, or names nobody.
            CognitoRefusal: the provider does not answer.
        """
        if not _SENDABLE.fullmatch(question.token):
            raise AccessTokenRefused(_REFUSED)
        asked = self._asked.get(question)
        if asked is None or not asked.answer.done():
            raise ProfileWanted(question)
        answer = asked.answer.result()
        if not isinstance(answer, str):
            raise answer
        return answer

    @asynccontextmanager
    async def asked(self, question: Question) -> AsyncIterator[None]:
        """Ask a provider, once for everybody who waits; within the block its answer is found."""
        asked = self._asked.get(question)
        if asked is None:
            asked = self._asked[question] = _Asked(asyncio.create_task(self._ask(question)))
        asked.waiting += 1
        try:
            await asyncio.wait([asked.answer])
            yield
        finally:
            asked.waiting -= 1
            if asked.waiting == 0:
                asked.answer.cancel()
                del self._asked[question]

    async def _ask(self, question: Question) -> str | AccessTokenRefused | CognitoRefusal:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(FETCH_WAIT_S):  # what trickles in outlasts urllib3's waits
                return await loop.run_in_executor(self._threads, self._fetch, question)
        except AccessTokenRefused as refused:
            return refused
        except ProviderUnreachable as error:
            why = str(error)
        except TimeoutError:
            why = f"no answer within {FETCH_WAIT_S:g} s"
        fault = f"The profile at {question.profile_url} cannot be fetched: {why}"
        return CognitoRefusal("ExternalServiceException", fault)


def fetch_subject(question: Question) -> str:
    """Ask a provider over HTTP whose a token is; redirects are not followed.

    Raises:
        AccessTokenRefused: the provider does not take the token, or names nobody.
        ProviderUnreachable: it does not answer in time, or not with a profile.
    """
    url, deadline_s = question.profile_url, time.monotonic() + FETCH_WAIT_S
    headers = {"accept": "application/json", "authorization": f"Bearer {question.token}"}
    with urllib3.PoolManager(retries=False) as pool:
        status, body = fetch(pool, url, deadline_s, headers)
    if status in _REFUSING:
        raise AccessTokenRefused(_REFUSED)
    if status != 200:
        raise ProviderUnreachable(f"{url} answers {status}")
    return read_subject(read_object(url, body))


def read_subject(profile: Mapping[str, object]) -> str:
    """Read whose a profile is: `{"id": "10101", "name": "Ann"}`.

    Raises:
        AccessTokenRefused: the first of SUBJECT_FIELDS that it has is no text, or it has none.
    """
    subject = next((profile[name] for name in SUBJECT_FIELDS if name in profile), None)
    if not is_subject(subject):
        expected = ", ".join(SUBJECT_FIELDS)
        raise AccessTokenRefused(
            f"The profile names nobody; a text in one of {expected} is expected"
        )
    return subject
