"""Publish updates to web dashboards over AWS IoT, and read them; the library's public names.

`Subscriber` needs the extra `cli` (paho-mqtt): `pip install 'bellwire[cli]'`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bellwire.errors import BellwireError
    from bellwire.publications import Published
    from bellwire.publisher import Publisher
    from bellwire.subscriber import Subscriber
    from bellwire.told import Told

__all__ = ["BellwireError", "Published", "Publisher", "Subscriber", "Told"]

_HOMES = {
    "BellwireError": "bellwire.errors",
    "Published": "bellwire.publications",
    "Publisher": "bellwire.publisher",
    "Subscriber": "bellwire.subscriber",
    "Told": "bellwire.told",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: a function on AWS wants none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
