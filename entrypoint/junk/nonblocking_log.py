"""The log of a program that may not wait for its log: deliveries wait for its answers.

What it writes goes into a pipe, which fills while nobody reads the container's log. A line that
there is no room for is left out and counted, and the log says so where it goes on.
"""

from __future__ import annotations

import logging
import select
from typing import TextIO

_NOTE = "%d lines of the log were left out here, since nobody read it"


class NonBlockingHandler(logging.StreamHandler[TextIO]):
    """stream: the writing end, of this process alone; a line of PIPE_BUF bytes at most goes in.

    A pipe is said to be ready only while it has room for as much (pipe(7), poll(2)).
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._poll = select.poll()
        self._poll.register(stream, select.POLLOUT)
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, or leave it out; called by one thread at a time."""
        if self._left_out and self._has_room():
            note = (_NOTE, (self._left_out,))
            super().emit(logging.LogRecord(__name__, logging.WARNING, "", 0, *note, None))
            self._left_out = 0
        if self._has_room():
            super().emit(record)
        else:
            self._left_out += 1

    def _has_room(self) -> bool:
        return bool(self._poll.poll(0))
