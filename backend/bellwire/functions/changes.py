"""Updates made of the changes in a stream of the application's own."""

from functools import cache
from typing import Any

from bellwire.changes import Mapper
from bellwire.functions.deployment import deployment
from bellwire.functions.last_resort import last_resort
from bellwire.functions.observing import observed
from bellwire.functions.publishing import flushing
from bellwire.functions.settings import settings
from bellwire.handlers.changes import handle_changes
from bellwire.mappings import load_mapping


@observed
def handler(event: Any, _context: Any) -> Any:
    """Publish what the mapping makes of a batch; answer from where it has to come again."""
    made = deployment()
    with flushing():
        return handle_changes(
            event,
            mapping=_mapping(),
            log=made.appends,
            fan_out=made.fan_out,
            last_resort=last_resort(),
        )


@cache
def _mapping() -> Mapper:
    return load_mapping(settings().mapping)
