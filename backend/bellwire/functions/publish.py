"""POST /v1/publish."""

from bellwire.functions.http import http_function
from bellwire.functions.publishing import flushed
from bellwire.handlers.publish import handle_publish

handler = http_function({"POST /v1/publish": flushed(handle_publish)})
