"""The steps at a stack's queues: a job is done, and no dead letters wait."""

import time
from collections.abc import Callable
from typing import Final

from bellwire.aws.own_queues import count_messages, send_message
from bellwire.doctor.deployed import Deployed
from bellwire.errors import Upstream
from bellwire.wire_json import encode_json

DONE_WITHIN_S: Final = 30.0
"""A queue's poller, and the first start of a function. Ours."""
ASK_AGAIN_S: Final = 1.0


class Queues:
    """Uses the queues of a deployment."""

    def __init__(
        self, deployed: Deployed, mark: str, is_polled: Callable[[str], str | None]
    ) -> None:
        """Send nothing yet.

        Args:
            deployed: which queues.
            mark: what the job's update bears, with a suffix.
            is_polled: finds an update by its mark, and returns where it stands.
        """
        self._deployed = deployed
        self._mark = f"{mark}-job"
        self._is_polled = is_polled

    def have_job_done(self) -> str:
        """Send one update as a job, and wait until it is polled."""
        update = {"channel": "public/doctor", "op": "event", "data": {"doctor": self._mark}}
        began_s = time.monotonic()
        queue_url = self._deployed.jobs_queue_url
        message_id = send_message(queue_url, self._deployed.region, encode_json(update).decode())
        while time.monotonic() < began_s + DONE_WITHIN_S:
            found = self._is_polled(self._mark)
            if found is not None:
                return f"{found}, {time.monotonic() - began_s:.1f} s after it was sent"
            time.sleep(ASK_AGAIN_S)
        raise Upstream(
            f"the job {message_id} was sent to {queue_url}, and is not polled within"
            f" {DONE_WITHIN_S:.0f} s: is the queue's event source enabled? Look at the log group"
            f" {self._deployed.log_group('jobs')}, and at the dead letters"
        )

    def count_dead_letters(self) -> str:
        """Expect none."""
        urls, region = self._deployed.dead_letters_urls, self._deployed.region
        counted = {url: count_messages(url, region) for url in urls}
        waiting = sum(counted.values())
        if waiting == 0:
            return "none"
        where = " and ".join(url for url, count in counted.items() if count)
        redrive = self._deployed.redrive_function or "redrive"
        plural = "letter waits" if waiting == 1 else "letters wait"
        raise Upstream(
            f"{waiting} {plural} in {where}: each says what failed; when that is mended, invoke"
            f" the function {redrive}"
        )
