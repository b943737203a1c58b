"""Which of AWS's services a request to the AWS port is for: they share one address here."""

from bellwire_local.http_messages import Answer, HttpRequest, Operation


def make_router(*, cognito: Operation, data_plane: Operation) -> Operation:
    """Join services into one operation that hands each request to the one it is for."""

    def answer(request: HttpRequest) -> Answer:
        service = cognito if request.path == "/" else data_plane
        return service(request)

    return answer
