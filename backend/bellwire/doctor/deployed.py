"""What a stack's outputs say of a deployment, and where to look when a part of it fails. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bellwire.errors import Malformed, Upstream

WORKING: Final = {
    "CREATE_COMPLETE",
    "IMPORT_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
}
"""Statuses in which everything of a stack is there. Source: CloudFormation guide, "Stack status
codes"; after a rollback of an update it is what it was before."""

NEEDED: Final = (
    "ApiUrl",
    "Stage",
    "Region",
    "IdentityPoolId",
    "JobsQueueUrl",
    "DeadLettersQueueUrl",
)
_DEAD_LETTERS: Final = (
    "DeadLettersQueueUrl",
    "JobsDeadLettersQueueUrl",
    "JobsFifoDeadLettersQueueUrl",
)
_REDRIVE: Final = "redrive"


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment as its stack describes it; roles and the redrive function may be left out."""

    url: str
    stage: str
    region: str
    identity_pool_id: str
    jobs_queue_url: str
    dead_letters_urls: tuple[str, ...]
    publisher_role_arn: str | None = None
    operator_role_arn: str | None = None
    redrive_function: str | None = None

    def log_group(self, function: str) -> str:
        """Name the log group of one of the functions, e.g. `"doorbells"`.

        By the name of the function redrive, which stands in the outputs; its siblings' differ in
        the last word.
        """
        redrive = self.redrive_function or ""
        if not redrive.endswith(_REDRIVE):
            return f"of the function {function}"
        return f"/aws/lambda/{redrive.removesuffix(_REDRIVE)}{function}"


def read_outputs(name: str, status: str, reason: str, outputs: Mapping[str, str]) -> Deployed:
    """Read what the checkup needs.

    Raises:
        Upstream: the stack is in a status in which it cannot be expected to work.
        Malformed: outputs are missing.
    """
    if status not in WORKING:
        is_busy = status.endswith("_IN_PROGRESS")
        why = f" ({reason})" if reason else ""
        what = "wait until that is done" if is_busy else "its events say what failed"
        raise Upstream(f"the stack {name} is in {status}{why}: {what}")
    missing = [key for key in NEEDED if not outputs.get(key)]
    if missing:
        raise Malformed(
            f"the stack {name} has no output {', '.join(missing)}: is it one of Bellwire's?"
        )
    return Deployed(
        url=outputs["ApiUrl"].rstrip("/"),
        stage=outputs["Stage"],
        region=outputs["Region"],
        identity_pool_id=outputs["IdentityPoolId"],
        jobs_queue_url=outputs["JobsQueueUrl"],
        dead_letters_urls=tuple(outputs[key] for key in _DEAD_LETTERS if outputs.get(key)),
        publisher_role_arn=outputs.get("PublisherRoleArn") or None,
        operator_role_arn=outputs.get("OperatorRoleArn") or None,
        redrive_function=outputs.get("RedriveFunctionName") or None,
    )
