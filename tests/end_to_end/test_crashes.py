"""Whatever dies, fills up or is locked: nothing acknowledged is lost, nothing is told twice."""

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from secrets import token_bytes

from playwright.sync_api import Page

from bellwire.errors import BellwireError
from bellwire.publisher import HttpOutlet, Publisher
from bellwire.sql.engine import open_sqlite
from bellwire.sql.log import SqlLog
from bellwire.updates import Draft
from end_to_end.followers import Follower
from end_to_end.jobs import Tally, first_cursor, publish_lines, read_from_the_beginning
from services import RunningService, running_service, same_ports

CHANNEL = "public/survivor"
BACK_WITHIN_S = 40  # the client waits up to 30 s between tries
CRAMPED = (sys.executable, Path(__file__).with_name("cramped_service.py"))
HOUR_MS = 3_600_000
JOBS = ("a", "b", "c", "d")
LINES = 60


def open_follower(page: Page, service: RunningService) -> Follower:
    """Have a page follow the channel, and wait until it is live."""
    follower = Follower(page, service.url, CHANNEL)
    follower.open()
    follower.wait_for_status("live")
    return follower


def test_killed_again_and_again_while_four_jobs_publish(
    page_in_outage: Page, tmp_path: Path
) -> None:
    tally = Tally()
    with running_service(tmp_path, "--no-demo") as service:
        cursor = first_cursor(service, CHANNEL)
        follower = open_follower(page_in_outage, service)
        publish_until_killed(service, follower, tally, after=15)
    for after in (80, 160):
        with running_service(tmp_path, "--no-demo", *same_ports(service)) as service:
            publish_until_killed(service, follower, tally, after=after)
    with running_service(tmp_path, "--no-demo", *same_ports(service)) as service:
        with ThreadPoolExecutor(len(JOBS)) as jobs:
            ended = list(jobs.map(lambda name: publish_all(service, name, tally), JOBS))
        assert ended == [(0, "")] * 4
        log = read_from_the_beginning(service, CHANNEL, cursor)
        follower.wait_for_seq(240, within_s=BACK_WITHIN_S)
        follower.assert_equals_log()
    assert (len(log["epochs"]), log["l"]) == (1, 240)
    assert [update["s"] for update in log["u"]] == list(range(1, 241))
    (epoch,) = log["epochs"]
    assert tally.positions == {update["i"]: (epoch, update["s"]) for update in log["u"]}
    for name in JOBS:
        found = [(u["i"], u["d"]) for u in log["u"] if u["i"].startswith(name)]
        assert found == [(f"{name}.{number}", f"{name} {number}") for number in range(1, 61)]
    assert follower.told == [[u["s"], "event", None, u["d"]] for u in log["u"]]


def publish_until_killed(
    service: RunningService, follower: Follower, tally: Tally, *, after: int
) -> None:
    """Kill the service when so many updates have been acknowledged; jobs say what failed."""
    follower.wait_for_status("live", within_s=BACK_WITHIN_S)
    with ThreadPoolExecutor(len(JOBS)) as jobs:
        running = jobs.map(lambda name: publish_all(service, name, tally), JOBS)
        tally.wait_for(after)
        service.kill()
        ended = list(running)
    assert len(tally.positions) < len(JOBS) * LINES
    for code, errors in ended:
        assert (code, errors.count("\n")) in ((1, 1), (0, 0)), errors
        assert code == 0 or errors.startswith(f"bellwire: cannot reach {service.url}: ")
    follower.wait_until("follower.client.status !== 'live'")


def publish_all(service: RunningService, name: str, tally: Tally) -> tuple[int, str]:
    """Run one of the jobs."""
    return publish_lines(service, CHANNEL, name, LINES, tally)


def test_what_a_job_left_unpushed_is_pushed(page_in_outage: Page, tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo") as service:
        follower = open_follower(page_in_outage, service)
        assert service.publish(CHANNEL, 1)["seq"] == 1
        follower.wait_for_seq(1)
        # From here on nothing comes but by push.
        follower.page.route("**/v1/updates*", lambda route: route.abort())
        append_and_die(service, 2, 3)
        follower.wait_for_seq(3)
        assert follower.told == [[n, "event", None, n] for n in (1, 2, 3)]
        assert follower.page.evaluate("follower.arrived.envelopes") == 2
        assert service.publish(CHANNEL, 4)["seq"] == 4
        follower.wait_for_seq(4)
        assert follower.told == [[n, "event", None, n] for n in (1, 2, 3, 4)]


def test_what_a_dead_service_left_unpushed_is_told_after_its_restart(
    page_in_outage: Page, tmp_path: Path
) -> None:
    with running_service(tmp_path, "--no-demo") as service:
        follower = open_follower(page_in_outage, service)
        assert service.publish(CHANNEL, 1)["seq"] == 1
        service.kill()
    append_and_die(service, 2, 3)
    with running_service(tmp_path, "--no-demo", *same_ports(service)) as service:
        follower.wait_for_seq(3, within_s=BACK_WITHIN_S)
        assert follower.told == [[n, "event", None, n] for n in (1, 2, 3)]
        follower.assert_equals_log()


def append_and_die(service: RunningService, *values: int) -> None:
    """Leave what a publisher leaves that dies between its append and its push."""
    with opened_log(service) as log:
        log.append(CHANNEL, [Draft("event", data=value) for value in values])


@contextmanager
def opened_log(service: RunningService) -> Iterator[SqlLog]:
    """Open the service's log in this process."""
    engine = open_sqlite(service.data / "log.db")
    yield SqlLog(
        engine,
        retention_ms=HOUR_MS,
        id_window_ms=HOUR_MS,
        now_ms=lambda: time.time_ns() // 1_000_000,
        noise=token_bytes,
    )
    engine.dispose()


def test_a_full_disk_refuses_and_room_again_goes_on(page_in_outage: Page, tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo", program=CRAMPED) as service:
        follower = open_follower(page_in_outage, service)
        assert service.publish(CHANNEL, 1)["seq"] == 1
        limit_files(service, (service.data / "log.db-wal").stat().st_size)
        assert_refused(service, "disk I/O error", publishers=2)
        limit_files(service, -1)
        assert_goes_on(service, follower)


def limit_files(service: RunningService, limit_bytes: int) -> None:
    """See cramped_service.py."""
    stdin, stdout = service.process.stdin, service.process.stdout
    assert stdin is not None
    assert stdout is not None
    stdin.write(f"{limit_bytes}\n")
    stdin.flush()
    assert stdout.readline() == f"{limit_bytes}\n"


def test_a_locked_database_refuses_and_goes_on_when_it_is_free(
    page_in_outage: Page, tmp_path: Path
) -> None:
    with running_service(tmp_path, "--no-demo") as service:
        follower = open_follower(page_in_outage, service)
        assert service.publish(CHANNEL, 1)["seq"] == 1
        with closing(sqlite3.connect(service.data / "log.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            # As many as have a thread each: reading must not wait behind them.
            assert_refused(service, "database is locked", publishers=12, are_waiting=True)
        assert_goes_on(service, follower)
        assert follower.statuses == ["connecting", "live"]


def assert_refused(
    service: RunningService, reason: str, *, publishers: int, are_waiting: bool = False
) -> None:
    """Publish by library and by command line: each is told why, while reading goes on."""
    message = f"the update log could not be used: {reason}"
    names = [f"{CHANNEL}/{number}" for number in range(1, publishers)]
    with ThreadPoolExecutor(publishers) as threads:
        refused = [threads.submit(publish_two, service, name) for name in names]
        command = service.start("publish", CHANNEL, '"refused"')
        tail = service.run("tail", CHANNEL, "--poll", "--rewind", "9", "--count", "1", "--json")
        assert json.loads(tail.stdout)["seq"] == 1
        assert not (are_waiting and any(one.done() for one in refused))
        out, err = command.communicate(timeout=20)
    assert (out, err, command.returncode) == ("", f"bellwire: {message}\n", 1)
    for name, one in zip(names, refused, strict=True):
        assert one.result() == [
            ("upstream", True, message),
            ("upstream", True, f"not published: an earlier update of {name} failed"),
        ]


def publish_two(service: RunningService, channel: str) -> list[tuple[str, bool, str]]:
    """Publish two updates in one request; return the errors they met."""
    updates = [{"channel": channel, "op": "event", "data": "refused"}] * 2
    results = Publisher(HttpOutlet(service.url, service.key)).publish(updates)
    errors = [one for one in results if isinstance(one, BellwireError)]
    return [(error.code, error.is_retryable, error.message) for error in errors]


def assert_goes_on(service: RunningService, follower: Follower) -> None:
    """Publish the next number; of what was refused there is nothing."""
    assert service.publish(CHANNEL, 2)["seq"] == 2
    follower.wait_for_seq(2)
    assert follower.told == [[n, "event", None, n] for n in (1, 2)]
    follower.assert_equals_log()


def test_a_log_that_may_be_a_copy_resets_an_open_page(page_in_outage: Page, tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo") as service:
        follower = open_follower(page_in_outage, service)
        before = [service.publish(CHANNEL, n, "--set", f"k{n}") for n in (1, 2)]
        follower.wait_for_seq(2)
        service.kill()
    (service.data / "log.db.mark").unlink()
    with running_service(tmp_path, "--no-demo", *same_ports(service)) as service:
        follower.wait_until("follower.told.includes('reset')", within_s=BACK_WITHIN_S)
        assert follower.state == {"k1": 1, "k2": 2}
        follower.wait_for_status("live", within_s=BACK_WITHIN_S)
        after = service.publish(CHANNEL, 3, "--set", "k1")
        follower.wait_until("follower.channel.state.get('k1') === 3")
        follower.assert_equals_log()
    assert [one["seq"] for one in (*before, after)] == [1, 2, 1]
    assert before[0]["epoch"] == before[1]["epoch"] != after["epoch"]
    assert follower.told == [
        [1, "set", "k1", 1],
        [2, "set", "k2", 2],
        "reset",
        [1, "set", "k1", 3],
    ]


def test_damaged_keys_are_named_and_new_ones_lose_nothing(
    page_in_outage: Page, tmp_path: Path
) -> None:
    with running_service(tmp_path, "--no-demo") as service:
        follower = open_follower(page_in_outage, service)
        assert service.publish(CHANNEL, 1)["seq"] == 1
        follower.wait_for_seq(1)
        service.kill()
    keys = service.data / "standin_keys.json"
    keys.write_text(keys.read_text()[:40])
    refused = service.run("dev", "--no-demo", "--data", str(service.data), *same_ports(service))
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    expected = f"bellwire: cannot use {keys} as data: it is not a keyring of ours"
    assert refused.stderr.startswith(expected)
    keys.unlink()
    with running_service(tmp_path, "--no-demo", *same_ports(service)) as risen:
        follower.wait_for_status("live", within_s=BACK_WITHIN_S)
        assert risen.ready["identity_pool_id"] != service.ready["identity_pool_id"]
        assert risen.publish(CHANNEL, 2)["seq"] == 2
        follower.wait_for_seq(2)
        assert follower.told == [[n, "event", None, n] for n in (1, 2)]
