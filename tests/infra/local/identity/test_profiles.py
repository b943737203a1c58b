"""What is known of a token, and for how long: only while somebody waits for it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from bellwire_local.identity.fetching import ProviderUnreachable
from bellwire_local.identity.profiles import (
    AccessTokenRefused,
    Profiles,
    ProfileWanted,
    Question,
)
from bellwire_local.identity.refusals import CognitoRefusal

ANNS = Question("https://graph.example/me", "secret-of-ann")


@dataclass
class Provider:
    """Answers when it is let; a token that is not in `subjects` is refused."""

    subjects: dict[str, str] = field(default_factory=lambda: {"secret-of-ann": "ann"})
    is_down: bool = False
    asked: list[str] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def fetch(self, question: Question) -> str:
        self.asked.append(question.token)
        self.held.wait(5)
        if self.is_down:
            raise ProviderUnreachable("it is down")
        if question.token not in self.subjects:
            raise AccessTokenRefused("Token is expired.")
        return self.subjects[question.token]


@pytest.fixture
def provider() -> Provider:
    provider = Provider()
    provider.held.set()
    return provider


def play(provider: Provider, story: Callable[[Profiles], Awaitable[None]]) -> None:
    async def told() -> None:
        await asyncio.wait_for(story(Profiles(provider.fetch)), 10)

    asyncio.run(told())


def test_an_answer_is_known_within_the_block_alone(provider: Provider) -> None:
    async def story(profiles: Profiles) -> None:
        for times in (1, 2):
            with pytest.raises(ProfileWanted):
                profiles.find(ANNS)
            async with profiles.asked(ANNS):
                assert profiles.find(ANNS) == profiles.find(ANNS) == "ann"
            assert len(provider.asked) == times
        with pytest.raises(ProfileWanted):
            profiles.find(ANNS)

    play(provider, story)


def test_a_refusal_is_an_answer_too(provider: Provider) -> None:
    async def story(profiles: Profiles) -> None:
        provider.subjects.clear()
        async with profiles.asked(ANNS):
            with pytest.raises(AccessTokenRefused, match="Token is expired"):
                profiles.find(ANNS)
        provider.is_down = True
        async with profiles.asked(ANNS):
            with pytest.raises(CognitoRefusal, match="cannot be fetched: it is down"):
                profiles.find(ANNS)
        assert len(provider.asked) == 2

    play(provider, story)


def test_those_who_wait_at_one_time_share_an_answer(provider: Provider) -> None:
    async def ask(profiles: Profiles) -> str:
        async with profiles.asked(ANNS):
            return profiles.find(ANNS)

    async def story(profiles: Profiles) -> None:
        provider.held.clear()
        asking = [asyncio.create_task(ask(profiles)) for _ in range(5)]
        await asyncio.sleep(0)  # all of them wait now
        with pytest.raises(ProfileWanted):
            profiles.find(ANNS)
        asking[0].cancel()
        await asyncio.wait(asking[:1])
        provider.held.set()
        assert await asyncio.gather(*asking[1:]) == ["ann"] * 4
        assert provider.asked == ["secret-of-ann"]

    play(provider, story)


def test_when_all_have_given_up_the_next_asks_anew(provider: Provider) -> None:
    async def wait(profiles: Profiles) -> None:
        async with profiles.asked(ANNS):
            pytest.fail("there is no answer yet")

    async def story(profiles: Profiles) -> None:
        provider.held.clear()
        asking = asyncio.create_task(wait(profiles))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        provider.held.set()
        provider.subjects["secret-of-ann"] = "ann anew"
        async with profiles.asked(ANNS):
            assert profiles.find(ANNS) == "ann anew"

    play(provider, story)


def test_tokens_and_providers_are_not_taken_for_each_other(provider: Provider) -> None:
    async def story(profiles: Profiles) -> None:
        provider.subjects["secret-of-bob"] = "bob"
        bobs = Question(ANNS.profile_url, "secret-of-bob")
        elsewhere = Question("https://elsewhere.example/me", ANNS.token)
        async with profiles.asked(ANNS):
            for other in (bobs, elsewhere):
                with pytest.raises(ProfileWanted):
                    profiles.find(other)
            async with profiles.asked(bobs):
                assert (profiles.find(ANNS), profiles.find(bobs)) == ("ann", "bob")

    play(provider, story)


def test_what_is_asked_does_not_show_the_token() -> None:
    wanted = ProfileWanted(ANNS)
    for shown in (repr(ANNS), str(ANNS), repr(wanted), str(wanted)):
        assert "https://graph.example/me" in shown
        assert "secret" not in shown
