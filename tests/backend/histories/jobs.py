"""What writers are asked to append in a history, and the times that all histories share."""

from dataclasses import dataclass

from backend.histories.choices import Choices
from bellwire.updates import Draft, Op

RETENTION_S = 7_200
ID_WINDOW_S = 3_600
START_MS = 1_795_417_463_828
MAX_SKEW_MS = 120_000
SKEWS_MS = (0, -MAX_SKEW_MS, MAX_SKEW_MS)
SURE_ID_WINDOW_MS = ID_WINDOW_S * 1000 - 2 * MAX_SKEW_MS
"""For how long an id is remembered, whosever clock is asked."""
MIXED_OPS: tuple[Op, ...] = ("event", "set", "set", "delete")


@dataclass
class Job:
    """What a caller wants appended, perhaps several times over."""

    drafts: list[Draft]
    first_ms: int
    deliveries: int = 0

    def may_return(self, now_ms: int) -> bool:
        """Tell whether it can be redelivered: with ids alone, and well within their window."""
        has_ids = all(draft.id is not None for draft in self.drafts)
        return has_ids and self.deliveries < 4 and now_ms - self.first_ms < ID_WINDOW_S * 600


@dataclass
class Drafts:
    """Makes drafts, each with data that no other has."""

    count: int = 0

    def make(self, choices: Choices) -> list[Draft]:
        """Make what one job appends."""
        drafts: list[Draft] = []
        id_chance = choices.among([0, 100, 50])
        for _ in range(choices.among([1, 1, 2, 5])):
            self.count += 1
            op = choices.among(MIXED_OPS)
            key = None if op == "event" else choices.among("xy")
            draft_id = f"id{self.count}" if choices.chance(id_chance) else None
            drafts.append(Draft(op, key, None if op == "delete" else self.count, draft_id))
        return drafts
