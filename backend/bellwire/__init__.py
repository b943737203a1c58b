"""Publish updates to web dashboards over AWS IoT; the public names of the library."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bellwire.errors import BellwireError
    from bellwire.publications import Published
    from bellwire.publisher import Publisher

__all__ = ["BellwireError", "Published", "Publisher"]

_HOMES = {
    "BellwireError": "bellwire.errors",
    "Published": "bellwire.publications",
    "Publisher": "bellwire.publisher",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: a function on AWS wants none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
