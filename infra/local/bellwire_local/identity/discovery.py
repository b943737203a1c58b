"""Where clients find the keys that check the pool's tokens: `/.well-known/…`.

Source: https://openid.net/specs/openid-connect-discovery-1_0.html
"""

from bellwire_local.http_messages import HttpAnswer, HttpRequest
from bellwire_local.identity.tokens import CONFIGURATION_PATH, JWKS_PATH, TokenSigner

DISCOVERY_PATHS = (CONFIGURATION_PATH, JWKS_PATH)


class Discovery:
    """Answers requests for the keys; on AWS they are at the issuer's own address."""

    def __init__(self, tokens: TokenSigner) -> None:
        self._tokens = tokens

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request to one of DISCOVERY_PATHS."""
        if request.method not in ("GET", "HEAD"):
            return HttpAnswer(405, (("allow", "GET, HEAD"),))
        headers = (("content-type", "application/json"), ("access-control-allow-origin", "*"))
        if request.path == JWKS_PATH:
            return HttpAnswer(200, headers, self._tokens.key_set())
        base_url = f"http://{request.headers.get('host', '')}"
        return HttpAnswer(200, headers, self._tokens.configuration(base_url))
