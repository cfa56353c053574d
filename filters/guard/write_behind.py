"""Writes state to disk behind the work: in a thread, one write at a time, the last one at the end.

It must not know what is written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from filters.trouble import Trouble

log = logging.getLogger(__name__)

State = TypeVar("State")


class WriteBehind(Generic[State]):
    """`take()` makes a snapshot on the event loop, `write(snapshot)` puts it on disk in a thread.

    What cannot be written is logged once and left: nobody waits for a disk. A later write has to
    make good for it, so `take` gives everything, or what `write` has not managed among the rest.
    """

    def __init__(
        self,
        take: Callable[[], State | None],
        write: Callable[[State], None],
        *,
        seconds: float = 5.0,
        what: str = "state",
    ) -> None:
        """seconds: how long changes are collected. take: None where there is nothing to write.

        what: how the log calls it.
        """
        self._trouble = Trouble(log, what)
        self._take = take
        self._write = write
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def changed(self, *, urgent: bool = False) -> None:
        """Something is to be written; at once if it is urgent. Costs no I/O."""
        if urgent:
            self._hurry.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._soon())

    async def _soon(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._hurry.wait()
            except TimeoutError:
                pass
            self._hurry.clear()
            snapshot = self._take()
            if snapshot is None:
                return
            await asyncio.to_thread(self._attempt, snapshot)

    def finish(self) -> None:
        """Write what is left, at the end and without an event loop. Never raises."""
        snapshot = self._take()
        if snapshot is not None:
            self._attempt(snapshot)

    def _attempt(self, snapshot: State) -> None:
        try:
            self._write(snapshot)
        except Exception as error:
            self._trouble.failed(error, "it cannot be written")
        else:
            self._trouble.over()
