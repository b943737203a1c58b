"""Who may call what is not for everybody: whoever holds this service's key, or signs as on AWS."""

import hashlib
import hmac
import logging
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from bellwire.errors import NotAllowed, Unauthenticated
from bellwire_local.identity.api_gateway import ApiAuthorizer, ApiForbidden
from bellwire_local.identity.sigv4 import ALGORITHM, ReceivedRequest

logger = logging.getLogger(__name__)

Authorized = Mapping[str, Any]
"""`requestContext.authorizer` of the event: `{"iam": {…}}`; empty for the key's holder."""


class Gate:
    """The keeper of the routes that API Gateway authorizes by IAM."""

    def __init__(self, key: str, authorizer: ApiAuthorizer) -> None:
        self._key = key
        self._authorizer = authorizer

    def admit(self, request: Request, body: bytes) -> Authorized:
        """Admit the key's holder, or who has signed and may invoke the route.

        Raises:
            Unauthenticated: neither was tried.
            NotAllowed: the signature does not hold, or its owner may not do this.
        """
        if holds_key(_authorization_of(request), self._key):
            return {}
        if _is_signed(request):
            return self.admit_signer(request, body)
        raise Unauthenticated("expected the key of this service as a bearer token, or a signature")

    def admit_signer(self, request: Request, body: bytes) -> Authorized:
        """Admit who has signed and may invoke the route. Raises as `admit`."""
        if not _is_signed(request):
            raise Unauthenticated("expected a request signed with AWS credentials (execute-api)")
        received = ReceivedRequest(
            request.method,
            request.scope["raw_path"].decode("latin-1"),
            request.scope["query_string"].decode("latin-1"),
            {name: ",".join(request.headers.getlist(name)) for name in request.headers},
            hashlib.sha256(body).hexdigest(),
        )
        source_ip = request.client.host if request.client else "unknown"
        try:
            return {"iam": self._authorizer.authorize(received, source_ip)}
        except ApiForbidden as refused:
            logger.warning("%s refused: %s", request.url.path, refused)
            raise NotAllowed("the signature does not hold, or IAM does not allow this") from refused


def holds_key(authorization: str, key: str) -> bool:
    """Tell whether the header Authorization brings a service's key as a bearer token."""
    scheme, _, found = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(found.strip().encode(), key.encode())


def _is_signed(request: Request) -> bool:
    return _authorization_of(request).startswith(ALGORITHM) or (
        "X-Amz-Signature" in request.query_params
    )


def _authorization_of(request: Request) -> str:
    """Read the header; two of them are one that makes no sense, as behind API Gateway."""
    return ",".join(request.headers.getlist("authorization"))
