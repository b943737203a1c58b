"""Which of AWS's services a request to the AWS port is for: they share one address here."""

from bellwire_local.http_messages import Answer, HttpRequest, Operation
from bellwire_local.identity.discovery import DISCOVERY_PATHS
from bellwire_local.identity.sigv4 import claimed_service
from bellwire_local.identity.sts import FORM
from bellwire_local.iot.control_plane import CONTROL_PLANE_SERVICES, is_control_plane


def make_router(
    *,
    cognito: Operation,
    sts: Operation,
    discovery: Operation,
    control_plane: Operation,
    data_plane: Operation,
) -> Operation:
    """Join services into one operation that hands each request to the one it is for."""

    def answer(request: HttpRequest) -> Answer:
        if request.path == "/":
            is_form = request.headers.get("content-type", "").lower().startswith(FORM)
            service = sts if is_form else cognito
        elif request.path in DISCOVERY_PATHS:
            service = discovery
        elif is_control_plane(request.path) or _is_for_control_plane(request):
            service = control_plane
        else:
            service = data_plane
        return service(request)

    return answer


def _is_for_control_plane(request: HttpRequest) -> bool:
    """Whether it is signed for the control plane, which then says itself what it does not do."""
    return claimed_service(request.headers, request.query) in CONTROL_PLANE_SERVICES
