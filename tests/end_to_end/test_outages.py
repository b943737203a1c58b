"""Sockets refused, the network gone, the service killed: each update is told once all the same."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, WebSocketRoute

from bellwire.publisher import HttpOutlet, Publisher
from end_to_end.followers import Follower
from end_to_end.frames import SOCKETS
from services import RunningService, running_service, same_ports

BACK_WITHIN_S = 40  # the client waits up to 30 s between tries


def events(publisher: Publisher, channel: str, *values: int) -> list[list[Any]]:
    """Publish events, and say how each must be told."""
    return [[publisher.event(channel, value).seq, "event", None, value] for value in values]


def test_polls_take_over_while_sockets_are_refused(
    follower_in_outage: Follower, publisher: Publisher, channel: str
) -> None:
    follower = follower_in_outage
    is_refusing = True

    def refuse(socket: WebSocketRoute) -> None:
        if is_refusing:
            socket.close()
        else:
            socket.connect_to_server()

    follower.page.route_web_socket(SOCKETS, refuse)
    follower.open()
    follower.wait_for_status("polling")
    expected = events(publisher, channel, 1, 2)
    follower.wait_for_seq(2, within_s=5)
    assert follower.told == expected
    assert "live" not in follower.statuses
    expected += events(publisher, channel, 3)
    is_refusing = False
    follower.wait_for_status("live", within_s=BACK_WITHIN_S)
    expected += events(publisher, channel, 4)
    follower.wait_for_seq(4)
    assert follower.told == expected == [[n, "event", None, n] for n in (1, 2, 3, 4)]
    assert follower.statuses == ["connecting", "polling", "live"]
    follower.assert_equals_log()


def test_a_page_comes_back_from_being_offline(
    follower_in_outage: Follower, publisher: Publisher, channel: str
) -> None:
    follower = follower_in_outage
    sockets: list[WebSocketRoute] = []

    def relay(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    follower.page.route_web_socket(SOCKETS, relay)
    follower.open()
    follower.wait_for_status("live")
    expected = events(publisher, channel, 1)
    follower.wait_for_seq(1)
    # Chromium's offline mode lets open sockets hang, where a device that goes offline ends them.
    follower.page.context.set_offline(True)
    sockets[0].close()
    follower.wait_for_status("offline")
    expected += events(publisher, channel, 2, 3)
    assert follower.told == expected[:1]
    follower.page.context.set_offline(False)
    follower.wait_for_status("live", within_s=BACK_WITHIN_S)
    expected += events(publisher, channel, 4)
    follower.wait_for_seq(4)
    assert follower.told == expected == [[n, "event", None, n] for n in (1, 2, 3, 4)]
    follower.assert_equals_log()


def test_a_network_that_hangs_for_a_moment_loses_nothing(
    follower_in_outage: Follower, publisher: Publisher, channel: str
) -> None:
    follower = follower_in_outage
    follower.open()
    follower.wait_for_status("live")
    expected = events(publisher, channel, 1)
    follower.wait_for_seq(1)
    follower.page.context.set_offline(True)
    expected += events(publisher, channel, 2, 3)
    follower.page.context.set_offline(False)
    follower.wait_for_seq(3, within_s=BACK_WITHIN_S)
    expected += events(publisher, channel, 4)
    follower.wait_for_seq(4, within_s=BACK_WITHIN_S)
    assert follower.told == expected == [[n, "event", None, n] for n in (1, 2, 3, 4)]
    follower.assert_equals_log()


def test_a_page_comes_back_after_the_service_was_killed(
    page_in_outage: Page, tmp_path: Path
) -> None:
    with running_service(tmp_path, "--no-demo") as doomed:
        follower = Follower(page_in_outage, doomed.url, "public/survivor")
        follower.open()
        follower.wait_for_status("live")
        expected = publish_events(doomed, 1, 2, 3)
        doomed.kill()
    follower.wait_until("follower.client.status !== 'live'")
    with running_service(tmp_path, "--no-demo", *same_ports(doomed)) as risen:
        assert risen.url == doomed.url
        expected += publish_events(risen, 4)
        follower.wait_for_status("live", within_s=BACK_WITHIN_S)
        expected += publish_events(risen, 5)
        follower.wait_for_seq(5)
        assert follower.told == expected == [[n, "event", None, n] for n in (1, 2, 3, 4, 5)]
        follower.assert_equals_log()


def publish_events(service: RunningService, *values: int) -> list[list[Any]]:
    """Publish to the survivor's channel."""
    return events(Publisher(HttpOutlet(service.url, service.key)), "public/survivor", *values)
