"""JSON as it crosses Bellwire's wire: what is taken in, and the one way it is written.

Taken in is only what a JavaScript client reads back unaltered (protocol §1): NaN, infinities,
lone surrogates, duplicate keys, nesting beyond 64 and integers beyond ±(2⁵³-1) are refused.
"""

import json
import math
from collections.abc import Iterable
from typing import Never, TypeAlias

from bellwire.errors import Malformed

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_DEPTH = 64
MAX_SAFE_INTEGER = 2**53 - 1  # ECMA-262 §21.1.2.6 Number.MAX_SAFE_INTEGER


def encode_json(value: object) -> bytes:
    """Write compact, unescaped UTF-8 JSON, the form in which every size limit is counted.

    Raises:
        Malformed: the value is none that `decode_json` would take in.
    """
    check_json(value)
    return _dump(value).encode()


def decode_json(text: bytes | str) -> Json:
    """Read JSON strictly.

    Raises:
        Malformed: not UTF-8, not JSON, or JSON that JavaScript would alter.
    """
    try:
        value: Json = json.loads(
            text.decode() if isinstance(text, bytes) else text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise Malformed(
            f"expected UTF-8, found byte 0x{text[error.start]:02x} at {error.start}"
        ) from error
    except json.JSONDecodeError as error:
        found = repr(error.doc[error.pos : error.pos + 20]) if error.doc[error.pos :] else "the end"
        raise Malformed(
            f"expected JSON, found {found} at character {error.pos}: {error.msg}"
        ) from error
    except RecursionError as error:
        raise Malformed(f"JSON nests deeper than {MAX_DEPTH}") from error
    check_json(value)
    return value


def check_json(value: object) -> None:
    """Refuse a value that would not come back the same from a JavaScript client.

    Raises:
        Malformed: naming the first thing found that may not be there.
    """
    level: list[object] = [value]
    depth = 0
    while level:
        for item in level:
            _check_scalar(item)
        depth += any(isinstance(item, dict | list | tuple) for item in level)
        if depth > MAX_DEPTH:
            raise Malformed(f"expected JSON of at most {MAX_DEPTH} levels, found more")
        level = [child for item in level for child in _children(item)]


def size_bytes(value: object) -> int:
    """Count the bytes of the compact form."""
    return len(_dump(value).encode())


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _children(item: object) -> Iterable[object]:
    if isinstance(item, dict):
        for key in item:
            if not isinstance(key, str):
                raise Malformed(f"expected a string as a JSON object's key, found {key!r}")
            _check_scalar(key)
        return item.values()
    return item if isinstance(item, list | tuple) else ()


def _check_scalar(item: object) -> None:
    if isinstance(item, str):
        _check_text(item)
    elif isinstance(item, bool) or item is None or isinstance(item, dict | list | tuple):
        return
    elif isinstance(item, int):
        if abs(item) > MAX_SAFE_INTEGER:
            raise Malformed(f"expected an integer within ±(2^53-1), found {item}")
    elif isinstance(item, float):
        if not math.isfinite(item):
            raise Malformed(f"expected a finite number, found {item}")
    else:
        raise Malformed(f"expected a JSON value, found {type(item).__name__}")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Malformed(f"lone surrogate U+{ord(text[error.start]):04X} in a string") from error


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed(f"key {double!r} stands twice in one JSON object")
    return found


def _constant(name: str) -> Never:
    raise Malformed(f"expected a finite number, found {name}")


def _integer(digits: str) -> int:
    if len(digits) > len(str(MAX_SAFE_INTEGER)) + 1:
        raise Malformed(f"expected an integer within ±(2^53-1), found {digits[:24]}…")
    return int(digits)
