"""POST /v1/publish: up to 100 updates of any channels, with one result each."""

from bellwire.handlers.edge import Deployment, Event, Response, json_body, json_response
from bellwire.publications import decode_publications, encode_result
from bellwire.publishing import publish


def handle_publish(event: Event, deployment: Deployment) -> Response:
    """Publish `{"updates": [{"channel", "op", "key"?, "data"?, "id"?}, …]}`.

    Whoever calls this has been found entitled to: by IAM on AWS, by the front's key in one process.
    """
    publications = decode_publications(json_body(event))
    results = publish(publications, log=deployment.appends, fan_out=deployment.fan_out)
    return json_response(200, {"results": [encode_result(result) for result in results]})
