"""Updates from whoever calls the function directly: the SDK, a state of Step Functions."""

from bellwire.fanout import FanOut
from bellwire.handlers.records import first_request_id
from bellwire.intake import take_in
from bellwire.ports import Appends
from bellwire.publications import encode_result
from bellwire.wire_json import Json


def handle_invoke(
    payload: object, *, request_id: str, log: Appends, fan_out: FanOut
) -> dict[str, Json]:
    """Publish `{"updates": […]}` or one update, answer `{"results": [{"channel", "epoch", …}]}`.

    Updates without an id get one of the call, which Lambda repeats under the same `request_id`
    if it was asynchronous; a caller that tries again by itself gives ids of its own.

    Raises:
        BellwireError: see `take_in`; its class is what Lambda tells as `errorType`.
    """
    source_id = first_request_id(payload, request_id)
    results = take_in(payload, source_id=source_id, log=log, fan_out=fan_out)
    return {"results": [encode_result(result) for result in results]}
