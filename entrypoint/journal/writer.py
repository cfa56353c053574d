"""Events → the journal, by a thread of its own: who hands them over never waits.

What is too much for the disk is dropped and counted, and the journal says so where it goes on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from entrypoint.journal.files import (
    FILE_BYTES,
    JOURNAL,
    MOST_BYTES,
    current_file,
    is_of_today,
    sweep,
)
from entrypoint.log_fields.of_line import fields_of
from entrypoint.log_line import Event, json_object, stamp

_MOST_WAITING = 20_000  # lines, of about 300 bytes
_TRIED_AGAIN_AFTER = 5.0  # seconds, where the disk takes nothing
_LOOK_EVERY = 1.0  # seconds
# The journal leaves room for the mail, which is refused at less (filters.disk_room).
_LEAST_FREE, _LEAST_SHARE = 64 * 1024**2, 1 / 10
_ENDS_WITHIN = 1.0
# What comes meanwhile goes into one write: a message is eight lines, at a time of its own each.
_GATHERED_FOR = 0.25  # seconds
_AT_ONCE = 500  # lines of one write
_ZONE = len("+0000")


class JournalWriter:
    """days: how long a file stays. say: hears once what is wrong with the disk."""

    def __init__(
        self,
        days: int,
        folder: Path = JOURNAL,
        *,
        say: Callable[[str, str], None] = lambda level, text: None,
        clock: Callable[[], float] = time.time,
        most_bytes: int = MOST_BYTES,
        file_bytes: int = FILE_BYTES,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        self._days, self._folder, self._say, self._clock = days, folder, say, clock
        self._most_bytes, self._file_bytes = most_bytes, file_bytes
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[float, Event]] = deque()
        self._dropped = 0
        self._descriptor: int | None = None
        self._path = folder
        self._next_look = self._not_before = float("-inf")
        self._torn = self._said = False
        self._news, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, lines: Iterable[Event]) -> None:
        """Have them written, if there is time and room. Returns at once."""
        now = self._clock()
        for line in lines:
            if line[0] == "debug":
                continue
            if len(self._waiting) >= self._most_waiting:
                self._dropped += 1
            else:
                self._waiting.append((now, line))
        if self._waiting and not self._news.is_set():
            self._news.set()

    def finish(self) -> None:
        """Write what waits; a disk that hangs is not waited for."""
        self._ending.set()
        self._news.set()
        self._thread.join(_ENDS_WITHIN)

    def _run(self) -> None:
        while True:
            self._news.wait()
            self._ending.wait(_GATHERED_FOR)
            self._news.clear()
            # Asked before: what was handed over before it is written.
            last = self._ending.is_set()
            while self._waiting:
                self._write_some()
            if last:
                return

    def _write_some(self) -> None:
        lines: list[bytes] = []
        while self._waiting and len(lines) < _AT_ONCE:
            when, (level, program, message) = self._waiting.popleft()
            found = fields_of(program, message)
            if found:
                lines.append(_line(when, program, found, level))
        if not lines:
            return
        try:
            self._append(lines)
        except OSError as error:
            self._dropped += len(lines)
            self._close()
            self._not_before = time.monotonic() + _TRIED_AGAIN_AFTER
            if not self._said:
                self._said = True
                where = error.filename or self._folder
                self._say(
                    "warning",
                    f"the journal of `signpost trace` gets a gap: {where}: {error.strerror}",
                )

    def _append(self, lines: list[bytes]) -> None:
        if time.monotonic() < self._not_before:
            self._dropped += len(lines)
            return
        descriptor = self._open()
        data = b"".join(lines)
        if dropped := self._dropped:
            gap = {"event": "gap", "dropped": str(dropped)}
            data = _line(self._clock(), "journal", gap, "warning") + data
        if self._torn:
            data = b"\n" + data
        written = os.write(descriptor, data)
        self._torn = written < len(data) and not data[:written].endswith(b"\n")
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._dropped -= dropped
        self._said = False

    def _open(self) -> int:
        """The file of now. Raises OSError, also where the disk is nearly full."""
        now = self._clock()
        if self._descriptor is not None and time.monotonic() < self._next_look:
            return self._descriptor
        self._next_look = time.monotonic() + _LOOK_EVERY
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return self._open_in(folder, now)
        finally:
            os.close(folder)

    def _open_in(self, folder: int, now: float) -> int:
        found = os.statvfs(folder)
        size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
        if free < min(_LEAST_FREE, size * _LEAST_SHARE):
            # What is too old goes all the same, and may be what makes room.
            sweep(self._folder, self._days, now, self._most_bytes)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))
        descriptor = self._descriptor
        if descriptor is not None:
            seen = os.fstat(descriptor)
            if seen.st_nlink and seen.st_size < self._file_bytes and is_of_today(self._path, now):
                return descriptor
            self._close()
        sweep(self._folder, self._days, now, self._most_bytes - self._file_bytes)
        self._path = current_file(self._folder, now, self._file_bytes)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = self._descriptor = os.open(self._path.name, flags, 0o600, dir_fd=folder)
        end = os.fstat(descriptor).st_size
        # Somebody was killed in the middle of a line.
        self._torn = bool(end) and os.pread(descriptor, 1, end - 1) != b"\n"
        return descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = None


def _line(when: float, program: str, found: dict[str, str], level: str) -> bytes:
    second = stamp(int(when))
    begin, zone = second[:-_ZONE], second[-_ZONE:]
    event = {"time": f"{begin}.{int(when * 1000) % 1000:03}{zone}", "program": program, **found}
    if level != "info":
        event["level"] = level
    return f"{json_object(event)}\n".encode("ascii")
