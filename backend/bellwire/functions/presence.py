"""GET /v1/presence."""

from bellwire.functions.http import http_function
from bellwire.handlers.presence import handle_presence

handler = http_function({"GET /v1/presence": handle_presence})
