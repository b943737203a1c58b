"""The IoT policies of identities, by AWS IoT's control plane, which is slow: 15 calls a second.

Throttled calls are tried again for a few seconds, in which a queue of sign-ups drains by itself;
then the client is asked to come back. The seconds are those of a whole login, however many policies
it changes, so one `IotGrants` is made for each.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from bellwire.errors import TooLarge, TooMany, Upstream
from bellwire.grants import Grant

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

Result = TypeVar("Result")

PATIENCE_S: Final = 3.0
"""How long throttled calls are tried again: less than the 5 s in which a client hears of it."""

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 1.0
COME_BACK_S: Final = (2, 8)
"""Between which times clients are asked to come back, so that they do not come together. Ours."""

_THROTTLED: Final = {"ThrottlingException", "TooManyRequestsException", "Throttling"}


class IotGrants:
    """A `Grants` on boto3's `iot`, whose own retries are to be off."""

    def __init__(
        self,
        client: "IoTClient",
        *,
        monotonic_s: Callable[[], float],
        wait_s: Callable[[float], None],
        random: Callable[[], float],
    ) -> None:
        """Keep what the control plane is asked with; from now on patience runs out.

        Args:
            monotonic_s: a clock that does not jump.
            wait_s: waits so many s.
            random: 0 ≤ random() < 1, for jitter.
        """
        self._client = client
        self._monotonic_s = monotonic_s
        self._wait_s = wait_s
        self._random = random
        self._until_s = monotonic_s() + PATIENCE_S

    def attach(self, identity_id: str, grant: Grant) -> None:
        """See `Grants.attach`."""
        if self._attach(identity_id, grant.name):
            return
        self._create(grant)
        if not self._attach(identity_id, grant.name):
            raise Upstream(f"AWS IoT does not see the policy that was just made: {grant.name}")

    def detach(self, identity_id: str, name: str) -> None:
        """See `Grants.detach`."""
        try:
            self._call(lambda: self._client.detach_policy(policyName=name, target=identity_id))
        except self._client.exceptions.ResourceNotFoundException:
            return

    def _attach(self, identity_id: str, name: str) -> bool:
        """Attach a policy; False if there is none of that name."""
        try:
            self._call(lambda: self._client.attach_policy(policyName=name, target=identity_id))
        except self._client.exceptions.ResourceNotFoundException:
            return False
        return True

    def _create(self, grant: Grant) -> None:
        try:
            self._call(
                lambda: self._client.create_policy(policyName=grant.name, policyDocument=grant.text)
            )
        except self._client.exceptions.ResourceAlreadyExistsException:
            return

    def _call(self, call: Callable[[], Result]) -> Result:
        """Call until it is not throttled, for as long as our patience lasts."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return self._once(call)
            except TooMany:
                pause_s = wait_s * (0.5 + self._random())
                if self._monotonic_s() + pause_s > self._until_s:
                    raise
            self._wait_s(pause_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def _once(self, call: Callable[[], Result]) -> Result:
        missing = self._client.exceptions.ResourceNotFoundException
        present = self._client.exceptions.ResourceAlreadyExistsException
        try:
            return call()
        except (missing, present):
            raise
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            if code in _THROTTLED:
                least_s, most_s = COME_BACK_S
                back_s = least_s + round(self._random() * (most_s - least_s))
                busy = "AWS IoT changes no more policies at the moment: come back"
                raise TooMany(busy, back_s) from error
            if code == "LimitExceededException":
                raise TooLarge(f"AWS IoT attaches no more policies: {error}") from error
            raise Upstream(f"AWS IoT refused: {error}") from error
        except BotoCoreError as error:
            raise Upstream(f"AWS IoT could not be reached: {error}") from error
