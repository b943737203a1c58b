"""The stand-in at its worst, with all that AWS does not promise and more: nothing is lost."""

from pathlib import Path

from playwright.sync_api import Page

from bellwire.publisher import HttpOutlet, Publisher
from end_to_end.followers import Follower
from services import running_service

CHANNEL = "public/chaos"
EVENTS = 60
FAULTS = "chaos,cut_after=1s,seed=7"


def test_a_page_is_told_everything_once_and_in_order(page_in_outage: Page, tmp_path: Path) -> None:
    """Messages lost, doubled, overtaken and late; sockets cut and refused; publishes refused."""
    with running_service(tmp_path, "--no-demo", "--faults", FAULTS) as service:
        publisher = Publisher(HttpOutlet(service.url, service.key))
        assert publisher.event(CHANNEL, 1).seq == 1  # a page is told what comes after it was there
        follower = Follower(page_in_outage, service.url, CHANNEL)
        follower.open()
        follower.wait_for_seq(1)
        for number in range(2, EVENTS + 1):
            assert publisher.event(CHANNEL, number).seq == number
        follower.wait_for_seq(EVENTS, within_s=60)
        told = [row[0] for row in follower.told if row != "reset"]
        assert told[-(EVENTS - 1) :] == list(range(2, EVENTS + 1))
        assert len(told) <= EVENTS
        follower.assert_equals_log()
        assert follower.statuses.count("live") > 1  # its socket was cut
        assert "fails as asked for" in service.log.read_text()  # a push, or an upgrade
