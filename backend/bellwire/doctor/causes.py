"""Why a step of the checkup has probably failed, and where to look. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager

from bellwire.doctor.deployed import Deployed
from bellwire.errors import BellwireError, Internal, Malformed, Upstream
from bellwire.service_config import ServiceConfig


@contextmanager
def of_function(function: str, deployed: Deployed | None) -> Iterator[None]:
    """Name the log group of the function that answers, where it is that which failed.

    Raises:
        BellwireError: what was raised within, with that added.
    """
    try:
        yield
    except (Upstream, Internal) as error:
        if deployed is None:
            raise
        where = f"look at the log group {deployed.log_group(function)}"
        raise type(error)(f"{error.message}: {where}") from error


def with_whose(error: BellwireError, whose: str) -> BellwireError:
    """Add by whose rights something was tried."""
    return type(error)(f"{error.message} (tried {whose})") if whose else error


def check_against_stack(service: ServiceConfig, deployed: Deployed | None) -> None:
    """Hold what a service says of itself against its stack's outputs.

    Raises:
        Malformed: it is another's.
    """
    if deployed is None:
        return
    pairs = {
        "Stage": (deployed.stage, service.stage),
        "Region": (deployed.region, service.region),
        "IdentityPoolId": (deployed.identity_pool_id, service.identity_pool_id),
    }
    for key, (expected, found) in pairs.items():
        if expected != found:
            raise Malformed(
                f"the stack's output {key} is {expected!r}, and the service at {deployed.url} says"
                f" {found!r:.80}: is it another deployment's?"
            )


def of_no_connection(
    said: str | None,
    service: ServiceConfig,
    client_id: str,
    *,
    is_upgrade: bool,
    is_guest: bool,
) -> str:
    """Explain why a connection was not had; `said` None: no answer came."""
    if said is None:
        return f"no answer from {service.iot_url}: is there a proxy or a firewall between?"
    if is_upgrade:
        return (
            f"the websocket was refused ({said}): the signature does not hold at"
            f" {service.iot_url}; is it of region {service.region} and of this account, and is"
            " the clock right?"
        )
    resource = f"arn:aws:iot:{service.region}:*:client/{client_id}"
    return f"{said}: {_policies_of(is_guest=is_guest)} should allow iot:Connect on {resource}"


def of_no_subscription(
    said: str | None, service: ServiceConfig, topic: str, *, is_guest: bool
) -> str:
    """Explain why a topic was not subscribed to; `said` None: no answer came."""
    if said is None:
        return f"no answer to the SUBSCRIBE to {topic}"
    resource = f"arn:aws:iot:{service.region}:*:topicfilter/{topic}"
    return f"{said}: {_policies_of(is_guest=is_guest)} should allow iot:Subscribe on {resource}"


def of_silence(
    within_s: float, topic: str, service: ServiceConfig, deployed: Deployed | None
) -> str:
    """Explain why what was published was not pushed."""
    arn = f"arn:aws:iot:{service.region}:*:topic/{topic}"
    begin = f"nothing came within {within_s:.0f} s: "
    receive = f"is iot:Receive on {arn} allowed?"
    if deployed is None:
        return f"{begin}{receive} At `bellwire dev`, are faults in force, such as drop?"
    return (
        f"{begin}is the function doorbells failing, or its role without iot:Publish on {arn}? Look"
        f" at the log group {deployed.log_group('doorbells')}, and at the dead letters. If it is"
        f" not, {receive}"
    )


def of_absence(channel: str, within_s: float, deployed: Deployed | None) -> str:
    """Explain why a connection is not told to be there."""
    begin = f"this connection is not told to be on {channel} within {within_s:.0f} s: "
    if deployed is None:
        return f"{begin}do lifecycle events arrive, or are faults in force?"
    return (
        f"{begin}do the rules on $aws/events/presence/# and $aws/events/subscriptions/# call the"
        f" function lifecycle? Look at the log group {deployed.log_group('lifecycle')}"
    )


def of_staying(within_s: float, deployed: Deployed | None) -> str:
    """Explain why a connection goes on after a kick."""
    begin = (
        f"kicked, and the connection is still there after {within_s:.0f} s: presence did not know"
        " of it, or iot:DeleteConnection on it is not allowed"
    )
    if deployed is None:
        return begin
    groups = " and ".join(deployed.log_group(function) for function in ("people", "lifecycle"))
    return f"{begin}; look at the log groups {groups}"


def _policies_of(*, is_guest: bool) -> str:
    return "guest_role" if is_guest else "member_role, and the IoT policies attached to the member,"
