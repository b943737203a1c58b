"""Requests signed and sent, and the answers judged."""

import time
from typing import Final

import urllib3
from urllib3.exceptions import HTTPError

from bellwire.aws.signing import sign_headers
from bellwire.doctor.findings import Answer, Verdict, judge
from bellwire.doctor.http_questions import Request
from bellwire.identity_ports import Keys

TIMEOUT: Final = urllib3.Timeout(connect=5, read=20)
TRIES: Final = 6
"""How often a service that is too busy is asked."""
PAUSE_S: Final = 0.3
"""The first pause between; each is twice the one before."""


class Asking:
    """Asks services of one region over kept-alive connections, from several threads."""

    def __init__(self, region: str, threads: int) -> None:
        self._region = region
        self._pool = urllib3.PoolManager(maxsize=threads, timeout=TIMEOUT, retries=False)

    def judge(self, request: Request, keys: Keys | None) -> Verdict:
        """Send a request and read whether it was allowed; keys that are None sign nothing."""
        pause_s = PAUSE_S
        for _ in range(TRIES):
            try:
                verdict = judge(self.send(request, keys), request.let_through)
            except HTTPError as error:
                return Verdict(is_allowed=None, said=f"no answer: {error}")
            if verdict is not None:
                return verdict
            time.sleep(pause_s)
            pause_s *= 2
        return Verdict(is_allowed=None, said=f"too busy, {TRIES} times")

    def send(self, request: Request, keys: Keys | None) -> Answer:
        """Send a request once.

        Raises:
            HTTPError: no answer came.
        """
        headers = dict(request.headers or {})
        if request.service is not None and keys is not None:
            headers = sign_headers(
                keys,
                request.service,
                self._region,
                request.method,
                request.url,
                headers,
                request.body,
            )
        response = self._pool.request(
            request.method, request.url, body=request.body, headers=headers
        )
        return Answer(response.status, response.data, response.headers.get("x-amzn-ErrorType", ""))
