"""The log of the image's own programs: `logging`, in the form of the container's log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from types import TracebackType

from entrypoint.log_line import LogLine, log_line
from entrypoint.pseudonyms import Pseudonyms


class ContainerFormatter(logging.Formatter):
    """form: text or json. program: who logs; all its loggers have this one name in the log.

    pseudonyms: what is written in the place of addresses; None where they are to be read.
    """

    def __init__(self, form: str, program: str, pseudonyms: Pseudonyms | None = None) -> None:
        super().__init__()
        self._form, self._program, self.pseudonyms = form, program, pseudonyms

    def format(self, record: logging.LogRecord) -> str:
        """The event on one line, a traceback among it."""
        level = record.levelname.lower()
        text = super().format(record)
        if self.pseudonyms is not None:
            text = self.pseudonyms.text(text)
        return log_line(self._form, level, self._program, text, record.created)


def start_logging(program: str, form: str, level: str = "info") -> None:
    """Log to standard error from now on. form and level: LOG_FORMAT and LOG_LEVEL."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ContainerFormatter(form, program, Pseudonyms.of_this_start()))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # asyncio's own line at start ("Using selector") is no event of ours.
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, logging.root.level))
    sys.excepthook = _log_fault


def _log_fault(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """What nobody caught is an event as well, of one line and without addresses."""
    if issubclass(kind, Exception):
        logging.error("a fault of its own: %s", error, exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


def use_pseudonyms() -> None:
    """Have the lines from now on no addresses, where this start has decided so."""
    for handler in logging.root.handlers:
        if isinstance(handler.formatter, ContainerFormatter):
            handler.formatter.pseudonyms = Pseudonyms.of_this_start()


def write_lines(log: logging.Logger, lines: Iterable[LogLine]) -> None:
    """Log what somebody else has decided on."""
    for level, text in lines:
        log.log(_NUMBERS[level], "%s", text)


_NUMBERS = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}
