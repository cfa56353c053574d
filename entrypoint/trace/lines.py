"""The events to look through, as often as they are needed: a journal's, or those of a stream.

A stream's are written to a file without a name first, as a journal has them; nothing of either is
held in memory. What is looked at are blocks of bytes: few of many lines have to be read.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from entrypoint.journal.files import JOURNAL, journal_files
from entrypoint.log_line import json_object
from entrypoint.trace.logged import read_event

# Which file of them, the oldest is 0; which byte of it.
Position = tuple[int, int]

_LONGEST = 65_536  # bytes of a line; of what is longer the rest is passed over
# It may be in memory: /tmp is a tmpfs.
_MOST_OF_A_STREAM = 1 << 30
_TOO_LONG = "the log is too long: give less of it, such as `docker compose logs --since 24h`"
_BLOCK = 1 << 18


class EventFiles:
    """opened: each opens one file at its beginning, the oldest first."""

    def __init__(self, opened: Sequence[Callable[[], BinaryIO]]) -> None:
        self._opened = opened

    def blocks(self) -> Iterator[tuple[Position, bytes]]:
        """Whole lines, and where they begin; the newest file first. One may be gone by now."""
        for number in reversed(range(len(self._opened))):
            try:
                file = self._opened[number]()
            except FileNotFoundError:
                continue
            with file:
                place = 0
                while block := file.read(_BLOCK):
                    if not block.endswith(b"\n"):
                        block += file.readline(_LONGEST)
                    yield (number, place), block
                    place += len(block)


def journal_events(folder: Path = JOURNAL) -> EventFiles:
    """Those of all days."""
    return EventFiles([partial(_opened, path) for path in journal_files(folder)])


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


@contextmanager
def stream_events(stream: BinaryIO) -> Iterator[EventFiles]:
    """Those of a log, inside. Raises OSError where there is no room for them."""
    written, whole = 0, True
    with tempfile.TemporaryFile() as file:
        while line := stream.readline(_LONGEST):
            begins, whole = whole, line.endswith(b"\n")
            if not begins:  # a stranger may have chosen what stands there
                continue
            event = read_event(line.decode("utf-8", "backslashreplace"))
            if event is not None:
                members = {"time": event.time, "program": event.program, **event.fields}
                written += file.write(f"{json_object(members)}\n".encode("ascii"))
                if written > _MOST_OF_A_STREAM:
                    raise OSError(errno.EFBIG, _TOO_LONG)
        file.flush()

        def again() -> BinaryIO:
            copy = os.fdopen(os.dup(file.fileno()), "rb")
            copy.seek(0)
            return copy

        yield EventFiles([again])
