"""The log of the image's own programs: `logging`, in the form of the container's log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

from entrypoint.log_line import LogLine, log_line


class ContainerFormatter(logging.Formatter):
    """form: text or json. program: who logs; all its loggers have this one name in the log."""

    def __init__(self, form: str, program: str) -> None:
        super().__init__()
        self._form, self._program = form, program

    def format(self, record: logging.LogRecord) -> str:
        """The event on one line, a traceback among it."""
        level = record.levelname.lower()
        return log_line(self._form, level, self._program, super().format(record), record.created)


def start_logging(program: str, form: str, level: str = "info") -> None:
    """Log to standard error from now on. form and level: LOG_FORMAT and LOG_LEVEL."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ContainerFormatter(form, program))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # asyncio's own line at start ("Using selector") is no event of ours.
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, logging.root.level))


def write_lines(log: logging.Logger, lines: Iterable[LogLine]) -> None:
    """Log what somebody else has decided on."""
    for level, text in lines:
        log.log(_NUMBERS[level], "%s", text)


_NUMBERS = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}
