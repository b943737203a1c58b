"""How changes of somebody's own table or stream become updates: the mapping that is configured.

A mapping is a function of one `Change` that returns updates as `POST /v1/publish` takes them:

    def orders(change: Change) -> list[dict[str, object]]:
        if change.new is None:
            return []
        return [{"channel": "public/orders", "op": "event", "data": change.new["total"]}]

It is called again for a record that comes again, so it works from the change alone. Updates without
an `id` get one from the record. What it raises, or returns that cannot be published, sends the
record to the dead letters, and the next record is taken; only a `BellwireError` that is retryable
holds the stream up.
"""

from importlib import import_module
from typing import Any, cast

from bellwire.changes import Change, Mapper
from bellwire.errors import Malformed
from bellwire.wire_json import Json, encode_json


def rows_as_state(change: Change) -> list[dict[str, Any]]:
    """Keep the rows of a table as the state of the channel `public/TABLE`.

    A row is a `set` of its whole content, its deletion or expiry a `delete`. The key is the row's
    key as text, e.g. `a-17`, or for two key attributes their values in the order of the attributes'
    names, as JSON: `["a-17",3]`. Everybody may read what is public: a table with columns that are
    not for everybody needs a mapping of its own.

    Raises:
        Malformed: no row of a table, or its stream does not show new images.
    """
    if change.source != "dynamodb":
        raise Malformed(f"expected a row of a table, found a record of {change.origin}")
    row: dict[str, Any] = {"channel": f"public/{change.origin}", "key": _key(change)}
    if change.kind == "remove":
        return [{**row, "op": "delete"}]
    if change.new is None:
        raise Malformed("expected a stream with new images (NEW_IMAGE or NEW_AND_OLD_IMAGES)")
    return [{**row, "op": "set", "data": change.new}]


def load_mapping(name: str) -> Mapper:
    """Find a mapping by `"module:function"`, e.g. `"bellwire.mappings:rows_as_state"`.

    Raises:
        Malformed: the name is none, or there is no such module or function.
    """
    module_name, colon, function_name = name.partition(":")
    if not colon or not module_name or not function_name:
        raise Malformed(f'expected a mapping as "module:function", found {name!r:.140}')
    try:
        module = import_module(module_name)
    except (ImportError, TypeError) as error:  # a TypeError for a relative name
        raise Malformed(f"expected to import {module_name} for {name!r:.140}: {error}") from error
    found = getattr(module, function_name, None)
    if not callable(found):
        raise Malformed(f"expected {name!r:.140} to be a function, found {found!r:.80}")
    return cast("Mapper", found)


def _key(change: Change) -> str:
    values: list[Json] = [change.keys[name] for name in sorted(change.keys)]
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return encode_json(values[0] if len(values) == 1 else values).decode()
