"""Samples, from where the log is read to the program that counts: a named pipe, a sample a line.

Who writes never waits: where the pipe is full, samples are dropped, and their number is written
when there is room again. What is written while nobody reads stays in the pipe, which the kernel
bounds.
Standard library only, as for `samples`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from entrypoint.log_line import Event
from entrypoint.metrics.samples import samples_of
from entrypoint.paths import METRICS

EVENTS = METRICS / "events"
# Bytes: some ten thousand samples. The kernel may give less.
_ROOM = 1 << 20
_TRIED_AGAIN_AFTER = 5.0  # seconds, where there is no such pipe
_AT_A_TIME = 65_536
_LONGEST = 1024  # bytes of a line


class SampleSender:
    """The writing end, which root alone may open."""

    def __init__(self, path: Path = EVENTS, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._descriptor: int | None = None
        self._next_try = float("-inf")
        self.dropped = 0

    def take(self, events: Iterable[Event]) -> None:
        """Send what the events count for. Returns at once and never raises."""
        lines: list[bytes] = []
        try:
            for event in events:
                lines += (_line(sample) for sample in samples_of(*event))
        except Exception:  # whatever a line was: the log goes on
            self.dropped += 1
        length, piece = 0, list[bytes]()
        for line in lines:
            if length + len(line) > select.PIPE_BUF:
                self._send(piece)
                length, piece = 0, []
            piece.append(line)
            length += len(line)
        if piece:
            self._send(piece)

    def _send(self, lines: list[bytes]) -> None:
        """All of them or none: the kernel takes so much in one piece (pipe(7))."""
        descriptor = self._open()
        try:
            if descriptor is None:
                raise BlockingIOError
            if self.dropped:
                os.write(descriptor, _line(("dropped", str(self.dropped))))
                self.dropped = 0
            os.write(descriptor, b"".join(lines))
        except OSError:
            self.dropped += len(lines)

    def _open(self) -> int | None:
        if self._descriptor is not None or self._clock() < self._next_try:
            return self._descriptor
        self._next_try = self._clock() + _TRIED_AGAIN_AFTER
        # For reading, too: so it can be opened before the reader does, and outlasts it.
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path, flags)
            if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                return None
            with contextlib.suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _ROOM)
            self._descriptor = descriptor
        return self._descriptor


class SampleReader:
    """The reading end. `descriptor` is for an event loop. Raises OSError."""

    def __init__(self, path: Path = EVENTS) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""

    def read(self) -> list[bytes] | None:
        """The lines that have come; None where nobody has the writing end open."""
        try:
            part = os.read(self.descriptor, _AT_A_TIME)
        except BlockingIOError:
            return []
        if not part:
            return None
        *lines, self._rest = (self._rest + part).split(b"\n")
        self._rest = self._rest[-_LONGEST:]
        return lines


def _line(sample: tuple[str, ...]) -> bytes:
    return f"{' '.join(sample)}\n".encode("ascii", "replace")
