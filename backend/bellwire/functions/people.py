"""POST /v1/users and POST /v1/kick."""

from bellwire.functions.http import http_function
from bellwire.handlers.people import handle_kick, handle_user

handler = http_function({"POST /v1/users": handle_user, "POST /v1/kick": handle_kick})
