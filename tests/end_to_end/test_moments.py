"""An update published between two reads of a client is neither missed nor doubled.

Each moment is met exactly: the publish happens while Playwright holds the request, the answer or
the frame that bounds the moment.
"""

from collections.abc import Callable

import pytest
from playwright.sync_api import Route

from bellwire.publisher import Publisher
from end_to_end.followers import Follower
from end_to_end.frames import PUBLISH, SUBACK, SUBSCRIBE, Send, kind_of, relay_frames

Act = Callable[[], None]
Moment = Callable[[Follower, Act], None]


def before_the_first_request(follower: Follower, publish: Act) -> None:
    """The first answer holds it already."""
    hold_poll(follower, "channels=", lambda route: ask_late(route, publish))
    follower.open()


def behind_the_first_answer(follower: Follower, publish: Act) -> None:
    """The first answer is older than it, and nothing is subscribed yet."""
    hold_poll(follower, "channels=", lambda route: answer_late(route, publish))
    follower.open()


def before_subscribing(follower: Follower, publish: Act) -> None:
    """The state is known, the broker has not heard of this client."""

    def to_broker(send: Send, frame: bytes) -> None:
        if kind_of(frame) == SUBSCRIBE:
            follower.wait_until("follower.channel.position !== null")
            publish()
        send(frame)

    relay_frames(follower.page, to_broker=to_broker)
    follower.open()


def before_the_suback(follower: Follower, publish: Act) -> None:
    """It is pushed ahead of the SUBACK, as a broker may do (MQTT 3.1.1, section 3.8.4)."""
    held: list[bytes] = []

    def to_page(send: Send, frame: bytes) -> None:
        if kind_of(frame) == SUBACK:
            follower.wait_until("follower.channel.position !== null")
            held.append(frame)
            publish()
            return
        send(frame)
        if kind_of(frame) == PUBLISH and held:
            send(held.pop())

    relay_frames(follower.page, to_page=to_page)
    follower.open()


def before_the_catch_up_request(follower: Follower, publish: Act) -> None:
    """It is pushed, and the catch-up brings it again."""
    hold_poll(follower, "cursor=", lambda route: ask_late(route, publish))
    follower.open()


def behind_the_catch_up_answer(follower: Follower, publish: Act) -> None:
    """It is pushed, and then an answer arrives that is older."""

    def publish_and_see_it_pushed() -> None:
        publish()
        follower.wait_until("follower.arrived.envelopes === 2")

    hold_poll(follower, "cursor=", lambda route: answer_late(route, publish_and_see_it_pushed))
    follower.open()


def half_of_it_pushed_before_the_catch_up_request(follower: Follower, publish: Act) -> None:
    """The catch-up brings what was pushed and what the broker dropped in one answer."""
    pushed: list[bytes] = []

    def to_page(send: Send, frame: bytes) -> None:
        if kind_of(frame) == PUBLISH:
            pushed.append(frame)
        if len(pushed) != 2:
            send(frame)

    def publish_and_see_half_of_it_pushed() -> None:
        publish()
        follower.wait_until("follower.arrived.envelopes === 1")

    relay_frames(follower.page, to_page=to_page)
    hold_poll(follower, "cursor=", lambda route: ask_late(route, publish_and_see_half_of_it_pushed))
    follower.open()


def when_live(follower: Follower, publish: Act) -> None:
    """It is pushed, and nothing else is under way."""
    follower.open()
    follower.wait_for_status("live")
    publish()


def hold_poll(follower: Follower, words: str, act: Callable[[Route], None]) -> None:
    """Hand the first poll with these words to `act`; let the others pass."""
    acts = [act]

    def hold(route: Route) -> None:
        if words in route.request.url and acts:
            acts.pop()(route)
        else:
            route.continue_()

    follower.page.route("**/v1/updates*", hold)


def ask_late(route: Route, act: Act) -> None:
    """Act before the service hears of the request."""
    act()
    route.continue_()


def answer_late(route: Route, act: Act) -> None:
    """Act after the service has answered and before the page has its answer."""
    answer = route.fetch()
    act()
    route.fulfill(response=answer)


LATER_MOMENTS = [
    behind_the_first_answer,
    before_subscribing,
    before_the_suback,
    before_the_catch_up_request,
    behind_the_catch_up_answer,
    half_of_it_pushed_before_the_catch_up_request,
    when_live,
]


@pytest.mark.parametrize("moment", LATER_MOMENTS)
def test_a_channel_with_a_past(
    moment: Moment, follower: Follower, publisher: Publisher, channel: str
) -> None:
    publisher.event(channel, "long ago")
    publisher.set(channel, "a", 1)
    live_through(moment, follower, publisher, channel, last=4)
    assert follower.told == [
        [2, "set", "a", 1],
        [3, "event", None, "news"],
        [4, "set", "b", 2],
        [5, "event", None, "after"],
    ]
    assert follower.state == {"a": 1, "b": 2}
    follower.assert_equals_log()


@pytest.mark.parametrize("moment", LATER_MOMENTS)
def test_the_channels_first_updates_ever(
    moment: Moment, follower: Follower, publisher: Publisher, channel: str
) -> None:
    live_through(moment, follower, publisher, channel, last=2)
    assert follower.told == [
        [1, "event", None, "news"],
        [2, "set", "b", 2],
        [3, "event", None, "after"],
    ]
    assert follower.state == {"b": 2}
    follower.assert_equals_log()


def test_what_the_first_answer_holds_is_told_as_state(
    follower: Follower, publisher: Publisher, channel: str
) -> None:
    live_through(before_the_first_request, follower, publisher, channel, last=2)
    assert follower.told == [[2, "set", "b", 2], [3, "event", None, "after"]]
    follower.assert_equals_log()


def live_through(
    moment: Moment, follower: Follower, publisher: Publisher, channel: str, *, last: int
) -> None:
    """Publish at the moment, and once more when all is quiet."""

    def publish() -> None:
        publisher.event(channel, "news")
        publisher.set(channel, "b", 2)

    moment(follower, publish)
    follower.wait_for_status("live")
    follower.wait_for_seq(last)
    assert publisher.event(channel, "after").seq == last + 1
    follower.wait_for_seq(last + 1)
