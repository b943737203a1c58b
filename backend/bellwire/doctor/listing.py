"""The truth table as a Markdown page, `iot_policies/TRUTH_TABLE.md`. Pure."""

from collections.abc import Sequence
from typing import Final

from bellwire.doctor.truth_table import Action, Row, Who

ANSWERS: Final = {True: "yes", False: "-", None: ""}
"""How a cell reads; an empty one is a question that is not asked."""

_HEAD: Final = """\
# The truth table

{count} rows, **not yet checked on AWS**. Each cell that is not empty is one question: *yes* where
it is meant to be allowed, `-` where it is not. Who is who, and why: [README.md](README.md). This
page is generated from `backend/bellwire/doctor/truth_table.py`, by

```sh
.venv/bin/bellwire doctor --truth-table --list > iot_policies/TRUTH_TABLE.md
```

and held by tests against a running service, by real connections, and against an independent
evaluator of policies. `bellwire doctor --truth-table` asks all of it of any service.

`{{alice}}` stands for Alice's identity, `{{fresh}}` for characters that nothing else has,
`{{…_role}}` for the ARN of a role.
"""


def write_listing(rows: Sequence[Row]) -> str:
    """Write the page: a table for each action, a line for each target, a column for each actor."""
    by_action: dict[Action, list[Row]] = {}
    for row in rows:
        by_action.setdefault(row.action, []).append(row)
    tables = (_table(action, of_one) for action, of_one in by_action.items())
    return "\n".join([_HEAD.format(count=len(rows)), *tables])


def _table(action: Action, rows: Sequence[Row]) -> str:
    asked = {row.who for row in rows}
    actors = [who for who in Who if who in asked]
    expected = {(row.target, row.who): row.is_allowed for row in rows}
    lines = [
        f"## {action}",
        "",
        f"| target | {' | '.join(actors)} |",
        "|---" * (len(actors) + 1) + "|",
    ]
    for target in dict.fromkeys(row.target for row in rows):
        cells = [ANSWERS[expected.get((target, who))] for who in actors]
        lines.append(f"| `{target}` | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])
