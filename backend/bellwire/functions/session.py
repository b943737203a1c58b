"""POST /v1/session."""

from bellwire.functions.http import http_function
from bellwire.handlers.session import handle_session

handler = http_function({"POST /v1/session": handle_session})
