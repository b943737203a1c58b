"""Publish updates to web dashboards over AWS IoT; the public names of the library."""

from bellwire.errors import BellwireError
from bellwire.publications import Published
from bellwire.publisher import Publisher

__all__ = ["BellwireError", "Published", "Publisher"]
