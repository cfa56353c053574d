"""Runs `python -m entrypoint.health` now and then beside supervisor's loop, and never waits for it.

A process of its own: it acts as other users, loads TLS, and may hang; it is in memory for the
blink of an eye. supervisor takes the exit status of every child, so what it printed is the answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from entrypoint.health.watchdog import EVERY, LOOK_TIMEOUT, Silent, Watchdog

COMMAND = (sys.executable, "-m", "entrypoint.health", f"{LOOK_TIMEOUT:g}")
# Python's start, on a machine that is busy.
_START = 20.0  # seconds
_MOST = 65_536  # bytes of an answer


class Looking:
    """`turn` is called about each second; it starts a look, or reads what one has printed."""

    def __init__(
        self,
        watchdog: Watchdog,
        busy: Callable[[str], bool],
        *,
        command: Sequence[str] = COMMAND,
        first: float = EVERY,
        longest: float = LOOK_TIMEOUT + _START,
    ) -> None:
        """busy: whether a program is starting or stopping, so that its silence says nothing."""
        self._watchdog, self._busy = watchdog, busy
        self._command, self._longest = command, longest
        self._next: float | None = None
        self._first = first
        self._running: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._printed = b""

    def turn(self, now: float) -> None:
        """now: a clock's seconds that only go on. Raises OSError where no look can be started."""
        if self._next is None:
            self._next = now + self._first
        if self._running is not None:
            self._read(self._running, now)
        elif now >= self._next:
            self._start(now)

    def _start(self, now: float) -> None:
        self._next = now + EVERY  # where it cannot be started
        process = subprocess.Popen(  # noqa: S603 -- a fixed command
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        assert process.stdout is not None  # noqa: S101 -- PIPE above
        os.set_blocking(process.stdout.fileno(), False)
        self._running, self._began, self._printed = process, now, b""

    def _read(self, process: subprocess.Popen[bytes], now: float) -> None:
        assert process.stdout is not None  # noqa: S101 -- PIPE in _start
        ended = False
        with contextlib.suppress(BlockingIOError):
            while part := os.read(process.stdout.fileno(), _MOST):
                self._printed += part
            ended = True
        if not ended and now - self._began < self._longest:
            return
        self.end()
        silent = self._silent() if ended else None
        self._next = now + self._watchdog.saw(silent, self._began, now)

    def end(self) -> None:
        """End the look that has begun."""
        process, self._running = self._running, None
        if process is None:
            return
        assert process.stdout is not None  # noqa: S101 -- PIPE in _start
        process.stdout.close()
        process.kill()
        # supervisor may have been first to take its status; a disk that hangs must not hold us up.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)

    def _silent(self) -> Silent | None:
        try:
            found = json.loads(self._printed)
            if not found["conclusive"]:
                return None
            silent: Silent = found["silent"]
        except (ValueError, LookupError, TypeError):
            return None
        return {name: what for name, what in silent.items() if not self._busy(name)}
