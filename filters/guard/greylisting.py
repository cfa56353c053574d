"""Asks the greylist in a thread of its own; a database that fails or is slow lets mail through.

It must not know SMTP, nor what makes a client known.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from filters.guard.greylist import WAIT, Greylist
from filters.log_throttle import LogThrottle

log = logging.getLogger(__name__)

TIMEOUT = 2.0  # seconds; an answer takes a tenth of a millisecond
MOST_WAITING = 200  # questions; what comes beyond is let through
SWEEP_EVERY = 3600  # seconds
COMPLAIN_EVERY = 60.0  # seconds between two log lines about too many questions

_NOT_GREYLISTED = "%s: mail is not greylisted: %s"

Answer = TypeVar("Answer")


class Greylisting:
    """The greylist of one file, which mail never waits for long; `wait` raises nothing."""

    def __init__(
        self, path: Path, *, wait: int = WAIT, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._greylist = Greylist(path, wait)
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "greylist")
        self._waiting = 0
        self._swept = 0
        self._failing = LogThrottle(log)
        self._overloaded = LogThrottle(log, COMPLAIN_EVERY)

    async def wait(
        self, network: str, vouched: Callable[[], Awaitable[str | None]], domain: str, to: str
    ) -> int:
        """Seconds that this client has to wait with mail from a domain to a recipient; 0: none.

        vouched: finds the domain that vouches for the client, if any; asked only for a client that
        is not known yet.
        """
        now = int(self._clock())
        greylist = self._greylist
        if self._waiting >= MOST_WAITING:
            self._overloaded.error(_NOT_GREYLISTED, self._path, "too many questions at once")
            return 0
        self._waiting += 1
        try:
            if await self._ask(lambda: greylist.is_known(network, domain, now)):
                return 0
            by = await vouched()
            if by is None:
                by = network
            elif await self._ask(lambda: greylist.is_known(by, domain, now)):
                return 0
            client = by
            seconds = await self._ask(lambda: greylist.wait(client, domain, to, now))
        except (OSError, sqlite3.Error) as error:  # OSError: TimeoutError, too
            cause = str(error) or type(error).__name__
            self._failing.error(_NOT_GREYLISTED, self._path, cause, cause=cause)
            return 0
        else:
            self._failing.recovered("%s: mail is greylisted again", self._path)
            return seconds
        finally:
            self._waiting -= 1
            self._sweep(now)

    def finish(self) -> None:
        """Close the database when all questions are answered."""
        self._thread.submit(self._greylist.close)
        self._thread.shutdown()

    async def _ask(self, question: Callable[[], Answer]) -> Answer:
        async with asyncio.timeout(TIMEOUT):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._guarded, question)

    def _guarded(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except sqlite3.Error:
            # Opened anew for the next question: that puts a damaged file aside.
            self._greylist.close()
            raise

    def _sweep(self, now: int) -> None:
        if now - self._swept < SWEEP_EVERY:
            return
        self._swept = now

        def sweep() -> None:
            try:
                self._greylist.sweep(now)
            except (OSError, sqlite3.Error) as error:
                log.error("%s: not swept: %s", self._path, error)

        self._thread.submit(sweep)
