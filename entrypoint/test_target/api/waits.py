"""Waiting until messages match a query, without asking again and again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from entrypoint.test_target.search.record import matches
from entrypoint.test_target.search.terms import Query
from entrypoint.test_target.store.changes import Change, MessageAdded, MessagesDeleted
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.store.reading import Selection

MOST_WAITING = 2_000
LONGEST = 600.0  # seconds


class TooManyWaitingError(Exception):
    """The text says how many may wait."""


class TargetStopsError(Exception):
    """Nothing more will come while this process runs."""


@dataclass(eq=False)
class _Waiting:
    query: Query
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Waits:
    """Each change is looked at once for each that waits; the file only where it can matter."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._waiting: dict[_Waiting, None] = {}
        self._closed = False
        mailbox.changes.listen(self._changed)

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        """Whoever waits has an answer now: TargetStopsError."""
        self._closed = True
        for waiting in self._waiting:
            waiting.news.set()

    async def until(self, selection: Selection, count: int, seconds: float) -> bool:
        """Whether so many match before the time is over; what is there needs none of it.

        Raises TooManyWaitingError and TargetStopsError.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise TooManyWaitingError(f"{MOST_WAITING} requests are waiting already")
        waiting = _Waiting(selection.query)
        self._waiting[waiting] = None
        deadline = asyncio.get_running_loop().time() + min(seconds, LONGEST)
        try:
            while True:
                waiting.news.clear()
                found = await self._mailbox.find(selection, 0, 0)
                if found.matching >= count:
                    return True
                if self._closed:
                    raise TargetStopsError
                async with asyncio.timeout_at(deadline):
                    await waiting.news.wait()
        except TimeoutError:
            return False
        finally:
            del self._waiting[waiting]

    def _changed(self, change: Change) -> None:
        if isinstance(change, MessagesDeleted):
            return
        for waiting in self._waiting:
            if isinstance(change, MessageAdded):
                matters = matches(waiting.query, change.record)
            else:
                matters = waiting.query.depends_on_state
            if matters:
                waiting.news.set()
