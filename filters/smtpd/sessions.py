"""The SMTP sessions that are alive: what is known of each, and the work that ends with it.

It knows no handlers and no I/O.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from filters.smtpd.session import Session

if sys.version_info >= (3, 12):

    def _start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it until it waits for something; nearly all that is in a cache is done by then."""
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)

else:

    def _start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)


class Sessions:
    """Contexts and tasks by session id."""

    def __init__(self) -> None:
        self._contexts: dict[str, Session] = {}
        self._tasks: dict[str, set[asyncio.Task[None]]] = {}
        self._lasting: set[asyncio.Task[None]] = set()

    def context(self, session: str) -> Session:
        """What is known of a session; a new Session where nothing is yet."""
        context = self._contexts.get(session)
        if context is None:
            context = self._contexts[session] = Session(session)
        return context

    def is_alive(self, session: Session) -> bool:
        """Whether it has not ended since."""
        return self._contexts.get(session.id) is session

    def spawn(self, session: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that is cancelled when the session ends."""
        task = _start(work)
        if task.done():
            return
        tasks = self._tasks.setdefault(session, set())
        tasks.add(task)

        def done(finished: asyncio.Task[None]) -> None:
            tasks.discard(finished)
            if not tasks and self._tasks.get(session) is tasks:
                del self._tasks[session]

        task.add_done_callback(done)

    def spawn_lasting(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end, whatever session it came of."""
        task = _start(work)
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)

    def end(self, session: str) -> None:
        """Forget a session and cancel its work."""
        self._contexts.pop(session, None)
        for task in self._tasks.pop(session, ()):
            task.cancel()

    def cancel_all(self) -> None:
        """Cancel the work of every session, and what was to outlast them."""
        for tasks in (*self._tasks.values(), self._lasting):
            for task in tasks:
                task.cancel()

    @property
    def at_work(self) -> bool:
        """Whether any session's work is going on."""
        return bool(self._tasks)

    def __len__(self) -> int:
        """Sessions that hold memory here."""
        return len(self._contexts.keys() | self._tasks.keys())
