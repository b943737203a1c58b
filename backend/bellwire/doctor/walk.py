"""Try every row of the table at a deployment, several at once, and say what came of each."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

from bellwire.doctor.asking import Asking
from bellwire.doctor.findings import Finding, Outcome, Verdict, doubt
from bellwire.doctor.http_questions import QUESTIONS, publish_request
from bellwire.doctor.mqtt_walk import ActorLine, try_connect
from bellwire.doctor.scene import Need, Scene
from bellwire.doctor.truth_table import WITHOUT_KEYS, Action, Row, Who

THREADS: Final = 6
"""How much is tried at once: enough to hide that AWS is far away. Ours."""
SECOND_TRY_S: Final = 1.0
TRY_AGAIN_S: Final = 5.0

_ON_ONE_LINE: Final = (Action.SUBSCRIBE, Action.RECEIVE, Action.PUBLISH, Action.RETAIN)
Tell = Callable[[Finding], None]


def walk(scene: Scene, rows: Sequence[Row], tell: Tell) -> list[Finding]:
    """Try the rows and return what came of each, in their order.

    What had no answer that could be read is tried a second time. What is not as expected is tried
    for as long as a change of policies may take to come into force.

    Args:
        tell: hears of every try, from several threads.
    """
    found = _walk_once(scene, rows, tell)
    until_s = time.monotonic() + scene.settle_s
    failed = _rows_with(found, Outcome.FAILED)
    if failed:
        time.sleep(SECOND_TRY_S)
        found |= _walk_once(scene, failed, tell)
    while time.monotonic() < until_s:
        left = _rows_with(found, Outcome.MISMATCH, Outcome.FAILED)
        if not left:
            break
        time.sleep(TRY_AGAIN_S)
        found |= _walk_once(scene, left, tell)
    return [found[row] for row in rows]


def _rows_with(found: Mapping[Row, Finding], *outcomes: Outcome) -> list[Row]:
    return [row for row, finding in found.items() if finding.outcome in outcomes]


def _walk_once(scene: Scene, rows: Sequence[Row], tell: Tell) -> dict[Row, Finding]:
    asking = Asking(scene.region, THREADS)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="doctor") as pool:
        walked = pool.map(lambda batch: _try_batch(scene, asking, batch, tell), _batches(rows))
        return {finding.row: finding for findings in walked for finding in findings}


def _batches(rows: Iterable[Row]) -> list[list[Row]]:
    """Keep together what one actor does on one MQTT connection; that takes longest, so it is first.

    Whoever is to receive something does so on a connection of its own, which hears nothing else.
    """
    lines: dict[tuple[Who, bool], list[Row]] = {}
    single: list[list[Row]] = []
    for row in rows:
        if row.action in _ON_ONE_LINE:
            lines.setdefault((row.who, row.action is Action.RECEIVE), []).append(row)
        else:
            single.append([row])
    return [*lines.values(), *single]


def _try_batch(scene: Scene, asking: Asking, rows: Sequence[Row], tell: Tell) -> list[Finding]:
    findings = []
    with closing(ActorLine(scene, rows[0].who, _publisher(scene, asking))) as line:
        for row in rows:
            verdict = _missing(scene, row) or _try(scene, asking, line, row)
            if row.who not in WITHOUT_KEYS:
                verdict = doubt(verdict)
            finding = Finding(row, verdict)
            tell(finding)
            findings.append(finding)
    return findings


def _try(scene: Scene, asking: Asking, line: ActorLine, row: Row) -> Verdict:
    actor, target = scene.actors[row.who], scene.fill(row.target, secrets.token_hex(4))
    question = QUESTIONS.get(row.action)
    if question is not None:
        return asking.judge(question.write(scene, actor, target), actor.keys)
    if row.action is Action.CONNECT:
        return try_connect(scene, row.who, target)
    return line.judge(row.action, target)


def _missing(scene: Scene, row: Row) -> Verdict | None:
    """Say for the lack of what a row cannot be tried."""
    actor, question = scene.actors[row.who], QUESTIONS.get(row.action)
    need: Need = "keys" if question is None else question.need
    if row.who is not Who.ANONYMOUS and not actor.holds(need):
        return Verdict(is_allowed=None, said=actor.missing, is_lacking=not actor.is_broken)
    why = None
    if row.action is Action.RECEIVE and scene.actors[Who.JOB].keys is None:
        why = "there is no job to publish anything"
    elif row.action is Action.TAKE_CREDENTIALS and scene.is_made_up(row.target):
        why = "whose credentials these would be is not here"
    elif not scene.can_fill(row.target):
        why = "the roles' ARNs are not known without the keys of one"
    return None if why is None else Verdict(is_allowed=None, said=why, is_lacking=True)


def _publisher(scene: Scene, asking: Asking) -> Callable[[str, bytes], Verdict]:
    keys = scene.actors[Who.JOB].keys
    return lambda topic, payload: asking.judge(
        publish_request(scene.endpoints, topic, payload), keys
    )
