"""Many people who log in for the first time at the same moment, on a slow control plane."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3

from services import RunningService, running_service

PEOPLE = 200
WITHIN_S = 90


def log_in(pool: urllib3.PoolManager, service: RunningService, number: int) -> str:
    login = {"user": f"user{number}", "groups": [f"group{number % 5}"]}
    answer = pool.request("POST", f"{service.url}/dev/login", json=login)
    return str(answer.json()["token"])


def open_session(pool: urllib3.PoolManager, service: RunningService, token: str) -> tuple[str, int]:
    """Come back when told to, until it is done; return who one is, and how often one came."""
    headers = {"authorization": f"Bearer {token}"}
    tries, url = 0, f"{service.url}/v1/session"
    while True:
        tries += 1
        answer = pool.request("POST", url, json={"credentials": True}, headers=headers)
        if answer.status == 200:
            return str(answer.json()["identity_id"]), tries
        assert answer.status == 429, answer.data
        error = json.loads(answer.data)["error"]
        assert (error["code"], error["retryable"]) == ("too_many", True)
        threading.Event().wait(int(answer.headers["retry-after"]) * random.uniform(1, 1.5))


@pytest.mark.timeout(WITHIN_S + 30)
def test_two_hundred_at_once_all_get_in(tmp_path: Path) -> None:
    """Each has two policies to be attached, and AWS attaches 15 a second."""
    pool = urllib3.PoolManager(retries=False, maxsize=PEOPLE)
    with running_service(tmp_path, "--no-demo") as service, ThreadPoolExecutor(PEOPLE) as people:
        tokens = [log_in(pool, service, number) for number in range(PEOPLE)]
        opening = [people.submit(open_session, pool, service, token) for token in tokens]
        opened = [one.result(WITHIN_S) for one in opening]
        again = [open_session(pool, service, token) for token in tokens]
    assert len({identity for identity, _ in opened}) == PEOPLE
    assert max(tries for _, tries in opened) > 1  # else nothing was throttled
    assert again == [(identity, 1) for identity, _ in opened]
