"""POST /v1/publish: up to 100 updates of any channels, with one result each."""

from bellwire.errors import Malformed
from bellwire.handlers.edge import Deployment, Event, Response, json_body, json_response
from bellwire.publications import MAX_PUBLICATIONS, decode_publication, encode_result
from bellwire.publishing import publish


def handle_publish(event: Event, deployment: Deployment) -> Response:
    """Publish `{"updates": [{"channel", "op", "key"?, "data"?, "id"?}, …]}`.

    Whoever calls this has been found entitled to: by IAM on AWS, by the front's key in one process.
    """
    match json_body(event):
        case {"updates": list(updates)} if 1 <= len(updates) <= MAX_PUBLICATIONS:
            publications = [decode_publication(wire) for wire in updates]
        case {"updates": list(updates)}:
            raise Malformed(f"expected 1 to {MAX_PUBLICATIONS} updates, found {len(updates)}")
        case other:
            raise Malformed(f'expected {{"updates": […]}}, found {str(other)[:80]!r}')
    results = publish(publications, log=deployment.appends, fan_out=deployment.fan_out)
    return json_response(200, {"results": [encode_result(result) for result in results]})
