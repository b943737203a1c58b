"""Updates from whoever calls the function directly: the SDK, a state of Step Functions."""

from bellwire.fanout import FanOut
from bellwire.intake import take_in
from bellwire.ports import Appends
from bellwire.publications import encode_result
from bellwire.wire_json import Json


def handle_invoke(payload: object, *, log: Appends, fan_out: FanOut) -> dict[str, Json]:
    """Publish `{"updates": […]}` or one update, answer `{"results": [{"channel", "epoch", …}]}`.

    Updates get no ids: a caller that tries again gives its own.

    Raises:
        BellwireError: see `take_in`; its class is what Lambda tells as `errorType`.
    """
    results = take_in(payload, source_id=None, log=log, fan_out=fan_out)
    return {"results": [encode_result(result) for result in results]}
