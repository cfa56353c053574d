"""What the programs do at their start: one-line logging, and errors for the operator."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from filters.addresses import AddressFile

# Bytes. smtpd prints it behind the filter's name, into a pipe that its processes share: what is
# longer than PIPE_BUF (4,096 bytes) could be torn by another one's line.
LONGEST_LINE = 3500
_LONGEST_END = 1000


class OneLineFormatter(logging.Formatter):
    """`level: message` on one line whatever the message holds; smtpd logs by lines.

    Control characters are what a client could forge a log line or confuse a terminal with, so
    they, and what is not ASCII, are written as escapes.
    """

    def format(self, record: logging.LogRecord) -> str:
        """`warning: text`, with a traceback behind it as ` | ` separated parts."""
        text = super().format(record).replace("\n", " | ")
        if text.isascii() and text.isprintable():  # nearly all
            return _cut(f"{record.levelname.lower()}: {text}")
        escaped = text.encode("ascii", "backslashreplace").decode("ascii")
        safe = "".join(char if " " <= char <= "~" else f"\\x{ord(char):02x}" for char in escaped)
        return _cut(f"{record.levelname.lower()}: {safe}")


def _cut(line: str) -> str:
    """In the middle: a traceback ends in what went wrong."""
    if len(line) <= LONGEST_LINE:
        return line
    mark = f" [{len(line) - LONGEST_LINE} characters] "
    begin = LONGEST_LINE - _LONGEST_END - len(mark)
    return f"{line[:begin]}{mark}{line[-_LONGEST_END:]}"


def start_logging(handler: logging.Handler | None = None) -> None:
    """Log to standard error, or by the handler. The level is the reader's choice; nothing is
    dropped here.
    """
    handler = handler or logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # No line says where in the code or by which thread it was written: it is not looked up.
    logging._srcfile = None  # as the HOWTO of the standard library says
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # asyncio's own line at start ("Using selector") is no event of ours.
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def read_addresses(path: Path | None, errors: list[str]) -> AddressFile | None:
    """The file that `--addresses` names; what is wrong with it is added to the errors."""
    if path is None:
        return None
    try:
        return AddressFile(path)
    except (OSError, ValueError) as error:
        errors.append(f"{path}: {error}")
        return None


def refuse_to_start(errors: Sequence[str]) -> NoReturn:
    """All errors at once, then exit 2."""
    for error in errors:
        logging.error("%s", error)
    sys.exit(2)
