"""The lines to look through, as often as they are needed: a journal's, or those of a stream.

A stream is written to a file without a name first; nothing of either is held in memory.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from entrypoint.journal.files import JOURNAL, journal_files

Lines = Callable[[], Iterator[str]]

_LONGEST = 65_536  # bytes of a line; what is longer is read in parts


def journal_lines(folder: Path = JOURNAL) -> Lines:
    """Those of all days, the oldest first. A file may be removed meanwhile."""

    def lines() -> Iterator[str]:
        for path in journal_files(folder):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                yield from _decoded(file)

    return lines


@contextmanager
def stream_lines(stream: BinaryIO) -> Iterator[Lines]:
    """Those of a log, inside. Raises OSError where there is no room for it."""
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(stream, file)

        def lines() -> Iterator[str]:
            file.seek(0)
            yield from _decoded(file)

        yield lines


def _decoded(file: BinaryIO) -> Iterator[str]:
    while line := file.readline(_LONGEST):
        yield line.decode("utf-8", "backslashreplace")
