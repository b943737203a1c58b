"""How the log looks: a record is a line, whatever strangers have put into it."""

import logging
from types import TracebackType
from typing import Final

from bellwire_local.printable import printable

FORM: Final = "%(levelname)s %(name)s: %(message)s"

_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LineFormatter(logging.Formatter):
    """Escapes what could end a line or move a terminal's cursor; tracebacks keep their lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in logging
        """See logging."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - its name in logging
        """See logging."""
        return "\n".join(map(printable, super().formatException(ei).split("\n")))


def keep_to_lines() -> None:
    """Have every handler of this process write so."""
    for handler in (*logging.getLogger().handlers, logging.lastResort):
        if handler is not None:
            handler.setFormatter(LineFormatter(FORM))
