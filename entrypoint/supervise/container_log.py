"""Where the lines of a program go: the container's own standard error, many at a time.

Every program of the container writes there. So a write holds whole lines, and no more than the
kernel takes in one piece (pipe(7), PIPE_BUF), but for a line that is longer by itself: nobody
else's lines come in between.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterable, Iterator

from entrypoint.log_fields.of_line import fields_of
from entrypoint.log_line import LEVELS, Event, log_line

_STDERR = 2


class ContainerLog:
    """form: text or json. least: the level below which nothing is written."""

    def __init__(self, form: str, least: str, descriptor: int = _STDERR) -> None:
        self._form, self._descriptor = form, descriptor
        self._levels = frozenset(LEVELS[LEVELS.index(least) :])

    def write(self, events: Iterable[Event]) -> None:
        """Write them, at once. What nobody can read any more is dropped: the program goes on."""
        lines = (
            f"{self._line(*event)}\n".encode("utf-8", "backslashreplace")
            for event in events
            if event[0] in self._levels
        )
        with contextlib.suppress(OSError):
            for part in in_pieces(lines, select.PIPE_BUF):
                write_whole(self._descriptor, part)

    def _line(self, level: str, program: str, message: str) -> str:
        fields = fields_of(program, message) if self._form == "json" else None
        return log_line(self._form, level, program, message, fields=fields)


def in_pieces(lines: Iterable[bytes], longest: int) -> Iterator[bytes]:
    """As many lines together as fit; one that does not fit stands alone."""
    piece: list[bytes] = []
    length = 0
    for line in lines:
        if piece and length + len(line) > longest:
            yield b"".join(piece)
            piece, length = [], 0
        piece.append(line)
        length += len(line)
    if piece:
        yield b"".join(piece)


def write_whole(descriptor: int, data: bytes) -> None:
    """Raises OSError. Whoever started the container may have made its output non-blocking."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
