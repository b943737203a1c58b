"""Plays the rehearsal; the last line that it prints is its result as JSON. See `make rehearse`."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import jwt

from rehearsal import stories
from rehearsal.browser import told_in_a_browser
from rehearsal.cloud import CloudSwitch, Places
from rehearsal.doctor import doctor_finds_all_well
from rehearsal.emulator import Emulator, free_ports, running_emulator
from rehearsal.rights import rights
from rehearsal.stack import Stack, build, deploy
from rehearsal.stories import Stage
from rehearsal.weather import Weather

LOGIN_SECRET: Final = "of the rehearsal alone, which nobody else logs in to"
RETRY_S: Final = "6"
"""How long a message of a queue that failed waits here; five minutes and more on AWS."""


def main() -> int:
    """Deploy, play, sum up; 0 if every story went as it should."""
    parser = argparse.ArgumentParser(prog="rehearsal", description=__doc__)
    parser.add_argument("--only", metavar="STORY", action="append", help="play this story alone")
    parser.add_argument("--short", action="store_true", help="10 s of traffic in the place of 60")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bellwire-rehearsal-") as folder:
        return _play(Path(folder), 10 if options.short else 60, options.only)


def _play(folder: Path, traffic_s: float, only: list[str] | None) -> int:
    gateway_port, iot_port, aws_port = free_ports(3)
    places = Places(folder / "cloud", iot_port, aws_port)
    places.directory.mkdir()
    weather = Weather(folder / "weather.json")
    seen = {**places.for_functions(), **weather.for_functions()}
    with running_emulator(folder / "emulator", gateway_port, seen) as emulator:
        began = time.monotonic()
        stack = _deploy(emulator, places)
        _say(f"deployed in {time.monotonic() - began:.0f} s: {stack.api_url}")
        with CloudSwitch(places, stack) as cloud:
            stage = Stage(stack, cloud, weather, partial(_redeploy, emulator, places))
            told = {
                name: _tell(name, story)
                for name, story in _stories(stage, traffic_s)
                if only is None or name in only
            }
            stage.clear_poison()
            result = {
                "deployed": True,
                **stage.counts,
                "dlq": stage.dead_letters(),
                "stories": told,
            }
    print(json.dumps(result))
    is_well = all(told.values()) and result["lost"] == result["doubled"] == result["dlq"] == 0
    return 0 if is_well else 1


def _stories(stage: Stage, traffic_s: float) -> list[tuple[str, Callable[[], bool]]]:
    return [
        ("doctor", partial(doctor_finds_all_well, stage.stack, log_in)),
        ("browser", partial(told_in_a_browser, stage, log_in)),
        ("presence", partial(stories.presence, stage, log_in)),
        ("traffic", partial(stories.traffic, stage, seconds=traffic_s)),
        ("poisoned_job", partial(stories.poisoned_job, stage)),
        ("broken_job_redriven", partial(stories.broken_job_redriven, stage)),
        ("poisoned_stream_record", partial(stories.poisoned_stream_record, stage)),
        ("throttled_table", partial(stories.throttled_table, stage)),
        ("iot_down", partial(stories.iot_down, stage, seconds=traffic_s)),
        ("deploy_meanwhile", partial(stories.deploy_meanwhile, stage)),
        ("narrowed", partial(stories.narrowed, stage, log_in)),
        ("rights", partial(rights, stage)),
    ]


def _tell(name: str, story: Callable[[], bool]) -> bool:
    began = time.monotonic()
    try:
        is_well = story()
    except Exception as error:
        _say(f"{name}: {error!r}")
        is_well = False
    _say(f"{'ok  ' if is_well else 'FAIL'} {name} ({time.monotonic() - began:.0f} s)")
    return is_well


def _deploy(emulator: Emulator, places: Places) -> Stack:
    build(emulator)
    stack = deploy(emulator, _parameters(places, ""))
    stack = deploy(emulator, _parameters(places, stack.api_url))
    sqs = emulator.client("sqs")
    for name in ("JobsQueueUrl", "JobsFifoQueueUrl"):
        sqs.set_queue_attributes(
            QueueUrl=stack.outputs[name], Attributes={"VisibilityTimeout": RETRY_S}
        )
    return stack


def _redeploy(emulator: Emulator, places: Places, parameters: dict[str, str]) -> None:
    before = _parameters(places, emulator_api_url(emulator))
    deploy(emulator, {**before, **parameters})


def emulator_api_url(emulator: Emulator) -> str:
    """Return where the API is that is deployed."""
    (api,) = emulator.client("apigatewayv2").get_apis()["Items"]
    return f"{emulator.url}/_aws/execute-api/{api['ApiId']}"


def _parameters(places: Places, api_url: str) -> dict[str, str]:
    return {
        "Guests": "on",
        "PresenceNamespaces": "group,public,user",
        "LoginSecretValue": LOGIN_SECRET.replace(" ", "-"),
        "Logins": '\'{"own":{"issuer":"rehearsal"}}\''.replace('"', '\\"'),
        "ApiUrl": api_url,
        "IotUrl": places.iot_url,
        "CognitoUrl": places.aws_url,
        "IdentityPoolOverride": places.pool_id(),
    }


def log_in(user: str, *groups: str) -> str:
    """Sign a login token as the application's login would."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": "rehearsal",
        "sub": user,
        "groups": list(groups),
        "iat": now,
        "exp": now + 3600,
    }
    return jwt.encode(claims, LOGIN_SECRET.replace(" ", "-"), algorithm="HS256")


def _say(line: str) -> None:
    print(f"rehearsal: {line}", flush=True)


sys.exit(main())
