"""Writes state to disk behind the work: in a thread, one write at a time, the last one at the end.

It must not know what is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from filters.log_throttle import LogThrottle

log = logging.getLogger(__name__)

State = TypeVar("State")


class WriteBehind(Generic[State]):
    """`take()` makes a snapshot on the event loop, `write(snapshot)` puts it on disk in a thread.

    The first change is written at once, those after it are collected for `seconds`. What cannot be
    written is logged once and left: nobody waits for a disk. A later write has to make good for it,
    so `take` gives everything, or what `write` has not managed among the rest.
    """

    def __init__(
        self,
        path: Path,
        take: Callable[[], State | None],
        write: Callable[[State], None],
        *,
        seconds: float = 5.0,
    ) -> None:
        """path: for the log. take: None where there is nothing to write."""
        self._path = path
        self._take = take
        self._write = write
        self._seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._failing = LogThrottle(log)

    def changed(self, *, urgent: bool = False) -> None:
        """Something is to be written; at once if it is urgent. Costs no I/O.

        Another thread may say so, too, once the event loop has; before there is a loop, what has
        changed is written with the next change or at the end.
        """
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                    self._loop.call_soon_threadsafe(self._begin, urgent)
            return
        self._begin(urgent)

    def finish(self) -> None:
        """Write what is left, at the end and without an event loop. Never raises."""
        snapshot = self._take()
        if snapshot is not None:
            self._attempt(snapshot)

    def _begin(self, urgent: bool) -> None:
        if urgent:
            self._hurry.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write_until_unchanged())

    async def _write_until_unchanged(self) -> None:
        while True:
            self._hurry.clear()
            snapshot = self._take()
            if snapshot is None:
                return
            await asyncio.to_thread(self._attempt, snapshot)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._hurry.wait()

    def _attempt(self, snapshot: State) -> None:
        try:
            self._write(snapshot)
        except Exception as error:
            cause = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            self._failing.error("%s: it cannot be written: %s", self._path, cause, cause=cause)
        else:
            self._failing.recovered("%s: written again", self._path)
