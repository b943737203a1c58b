"""Once a minute: ask AWS IoT about connections of which nothing was heard for a while."""

from typing import Any

from bellwire.functions.deployment import deployment, now_ms
from bellwire.functions.observing import count, observed
from bellwire.presence import HEAL_LIMIT, heal

MARGIN_MS = 10_000


@observed
def handler(_event: Any, context: Any) -> dict[str, int]:
    """Heal for as long as there is something to heal, and time; answer how much was wrong."""
    members, asked, corrected = deployment().members, 0, 0
    while context.get_remaining_time_in_millis() > MARGIN_MS:
        healed = heal(
            store=members.presence,
            connections=members.connections,
            stage=deployment().settings.stage,
            now_ms=now_ms,
        )
        asked, corrected = asked + healed.asked, corrected + healed.corrected
        if healed.asked < HEAL_LIMIT:
            break
    count("PresenceCorrected", corrected)
    return {"asked": asked, "corrected": corrected}
