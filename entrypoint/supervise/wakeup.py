"""A signal ends supervisor's wait at once, and not when its second is over.

supervisor looks at signals, the ends of programs among them, when its loop has waited for output
of programs. Here they write to the log by themselves.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import MutableMapping
from typing import Any


class Wakeup:
    """One of supervisor's dispatchers."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def begin(self, dispatchers: MutableMapping[int, Any]) -> None:
        """Be one of these, by descriptor."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        dispatchers[self._reader] = self

    def readable(self) -> bool:
        """It waits for a signal."""
        return True

    def writable(self) -> bool:
        """It says nothing."""
        return False

    def handle_read_event(self) -> None:
        """The loop goes on and looks by itself."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 512):
                pass

    def handle_error(self) -> None:
        """There is nothing that can fail."""
