"""Misbehaviour on demand: what is asked for, in words and as JSON. What comes of it: `fault_plan`.

Source: AWS promises no order, at-least-once for its lifecycle events and eventual consistency for
policies: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html and life-cycle-events.html
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from bellwire_local.errors import FaultsRefused

OFF_WORD: Final = "off"


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, and the seed that decides when; chances are from 0 to 1.

    Per message to a subscriber: `drop`, `duplicate`, `reorder` (the next one overtakes it), and
    `delay_s`, from the least to the most. `late_start_s` after a SUBACK its filters begin to work.
    Only what is of QoS 0 is lost by either.

    A connection ends `cut_after_s` after its upgrade or at its message number `cut_after_messages`,
    for `cut_reason`; at `ttl_s`, which stands for AWS's 24 hours; and, with `close_at_expiry`, once
    its credentials are no longer good.

    `refuse` and `hijack` are the chances that an upgrade is answered 403, or 200 as by a captive
    portal; `throttle` that a publish over HTTPS or a Cognito call is told to slow down;
    `publish_403` that a publish over HTTPS is refused. Credentials live `expire_credentials_s`,
    changed policies are in force after `propagation_s`, lifecycle events come twice
    (`lifecycle_double`) or after their successor (`lifecycle_swap`).
    """

    seed: int
    drop: float = 0
    duplicate: float = 0
    reorder: float = 0
    delay_s: tuple[float, float] | None = None
    late_start_s: float | None = None
    cut_after_s: float | None = None
    cut_after_messages: int | None = None
    cut_reason: str = "SERVER_INITIATED_DISCONNECT"
    ttl_s: float | None = None
    close_at_expiry: bool = False
    refuse: float = 0
    hijack: float = 0
    throttle: float = 0
    publish_403: float = 0
    expire_credentials_s: float | None = None
    propagation_s: float | None = None
    lifecycle_double: float = 0
    lifecycle_swap: float = 0

    def to_wire(self) -> dict[str, Any]:
        """Word it as `read_fault_object` reads it: `{"delay": "50ms..200ms", "seed": 7}`."""
        return {
            word: kind.write(getattr(self, kind.field))
            for word, kind in _KINDS.items()
            if getattr(self, kind.field) != _DEFAULTS[kind.field]
        }

    def to_words(self) -> str:
        """Word it as `read_faults` reads it: `delay=50ms..200ms,close_at_expiry=true,seed=7`."""
        return ",".join(f"{word}={_text_of(word, value)}" for word, value in self.to_wire().items())


PRESETS: Final[Mapping[str, str]] = {
    "flaky": "drop=0.02,delay=20..150ms,cut_after=60s",
    "unordered": "duplicate=0.1,reorder=0.2,lifecycle_double=0.5,lifecycle_swap=0.5",
    "barred": "hijack=1",
    "chaos": (
        "drop=0.1,duplicate=0.05,reorder=0.1,delay=5..100ms,late_start=200ms,cut_after=20s,"
        "refuse=0.2,throttle=0.1,publish_403=0.01,propagation=2s,"
        "lifecycle_double=0.5,lifecycle_swap=0.5"
    ),
}


def read_faults(text: str, fresh_seed: int) -> Faults | None:
    """Read what follows `--faults`, e.g. `chaos,drop=0.3,delay=50..200ms,seed=7`; later words win.

    Args:
        fresh_seed: what decides unless the text names a seed.

    Returns: None for `off`.

    Raises:
        FaultsRefused: a word is unknown, or its value is not of its kind.
    """
    if text.strip() == OFF_WORD:
        return None
    return _make(_split(text), fresh_seed)


def read_fault_object(content: object, fresh_seed: int) -> Faults | None:
    """Read the same as a JSON object, e.g. `{"preset": "chaos", "delay": "50..200ms"}`.

    Returns: None for `{}` and `{"off": true}`.

    Raises:
        FaultsRefused: as `read_faults`.
    """
    if not isinstance(content, dict):
        raise FaultsRefused(
            f'faults are {json.dumps(content)}; an object such as {{"drop": 0.1}} is expected'
        )
    words = dict(content)
    is_off = words.pop(OFF_WORD, not content)
    if is_off is True and not words:
        return None
    if is_off is not False:
        found = f"off is {json.dumps(is_off)} in {json.dumps(content)}"
        raise FaultsRefused(f"{found}; true and nothing else is expected")
    given: dict[str, str] = {}
    if "preset" in words:
        given |= _preset(_text_of("preset", words.pop("preset")))
    return _make(given | {word: _text_of(word, value) for word, value in words.items()}, fresh_seed)


@dataclass(frozen=True, slots=True)
class _Kind:
    field: str
    expected: str
    read: Callable[[str], Any]
    """Raises ValueError, whose text is not shown, for what is not `expected`."""
    write: Callable[[Any], Any]


def _make(words: Mapping[str, str], fresh_seed: int) -> Faults:
    values: dict[str, Any] = {"seed": fresh_seed}
    for word, text in words.items():
        kind = _KINDS.get(word)
        if kind is None:
            known = ", ".join(sorted({*_KINDS, *PRESETS, OFF_WORD}))
            raise FaultsRefused(f"there is no fault {word!r}; expected one of: {known}")
        try:
            values[kind.field] = kind.read(text.strip())
        except ValueError as error:
            raise FaultsRefused(f"{word} is {text!r}; expected {kind.expected}") from error
    return Faults(**values)


def _split(text: str) -> dict[str, str]:
    words: dict[str, str] = {}
    for part in text.split(","):
        word, sign, value = part.strip().partition("=")
        if sign:
            words[word] = value
        elif word in PRESETS:
            words |= _preset(word)
        else:
            words[word] = "true"
    return words


def _preset(name: str) -> dict[str, str]:
    if name not in PRESETS:
        raise FaultsRefused(f"there is no preset {name!r}; expected one of: {', '.join(PRESETS)}")
    return _split(PRESETS[name])


def _text_of(word: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    found = f"{word} is {json.dumps(value)}"
    raise FaultsRefused(f"{found}; a number, a text or true is expected")


_SPAN: Final = re.compile(r"(\d{1,8}(?:\.\d{1,3})?)(ms|s|m|h)", re.ASCII)
_UNIT_S: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def _read_chance(text: str) -> float:
    chance = float(text)
    if not 0 <= chance <= 1:
        raise ValueError(text)
    return chance


def _read_span_s(text: str) -> float:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return float(found[1]) * _UNIT_S[found[2]]


def _read_spans_s(text: str) -> tuple[float, float]:
    least, dots, most = text.partition("..")
    most_s = _read_span_s(most if dots else least)
    is_bare = bool(dots) and _SPAN.fullmatch(least) is None
    least_s = _read_span_s(least + most.lstrip("0123456789.") if is_bare else least)
    if least_s > most_s:
        raise ValueError(text)
    return least_s, most_s


def _read_count(text: str) -> int:
    return _read_whole(text, least=1)


def _read_seed(text: str) -> int:
    return _read_whole(text, least=0)


def _read_whole(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) < least:
        raise ValueError(text)
    return int(text)


def _read_flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


CUT_REASONS: Final = (
    "AUTH_ERROR",
    "CLIENT_ERROR",
    "CONNECTION_LOST",
    "DUPLICATE_CLIENTID",
    "FORBIDDEN_ACCESS",
    "MQTT_KEEP_ALIVE_TIMEOUT",
    "SERVER_ERROR",
    "SERVER_INITIATED_DISCONNECT",
    "THROTTLED",
    "WEBSOCKET_TTL_EXPIRATION",
)
"""Source: https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html"""


def _read_reason(text: str) -> str:
    if text not in CUT_REASONS:
        raise ValueError(text)
    return text


def _write_span(span_s: float) -> str:
    in_ms = span_s * 1000
    return f"{span_s:.15g}s" if math.isclose(span_s, round(span_s)) else f"{in_ms:.15g}ms"


def _write_spans(spans_s: tuple[float, float]) -> str:
    return "..".join(map(_write_span, spans_s))


def _chance(field: str) -> _Kind:
    return _Kind(field, "a chance from 0 to 1", _read_chance, float)


def _span(field: str) -> _Kind:
    return _Kind(field, "a time such as 200ms, 5s, 2m or 1h", _read_span_s, _write_span)


_KINDS: Final[Mapping[str, _Kind]] = {
    "drop": _chance("drop"),
    "duplicate": _chance("duplicate"),
    "reorder": _chance("reorder"),
    "delay": _Kind("delay_s", "a time or a range such as 50..200ms", _read_spans_s, _write_spans),
    "late_start": _span("late_start_s"),
    "cut_after": _span("cut_after_s"),
    "cut_after_messages": _Kind("cut_after_messages", "a count from 1", _read_count, int),
    "cut_reason": _Kind("cut_reason", f"one of {', '.join(CUT_REASONS)}", _read_reason, str),
    "ttl": _span("ttl_s"),
    "close_at_expiry": _Kind("close_at_expiry", "no value, true or false", _read_flag, bool),
    "refuse": _chance("refuse"),
    "hijack": _chance("hijack"),
    "throttle": _chance("throttle"),
    "publish_403": _chance("publish_403"),
    "expire_credentials": _span("expire_credentials_s"),
    "propagation": _span("propagation_s"),
    "lifecycle_double": _chance("lifecycle_double"),
    "lifecycle_swap": _chance("lifecycle_swap"),
    "seed": _Kind("seed", "a whole number from 0", _read_seed, int),
}
_DEFAULTS: Final = {field.name: field.default for field in fields(Faults)}
