"""Asks the guard's socket, without ever holding up mail: no answer in time is a yes.

One connection, opened when it is needed; questions on it are answered in order.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from pathlib import Path

from filters.log_throttle import LogThrottle

log = logging.getLogger(__name__)

TIMEOUT = 2.0  # seconds; an answer takes a few tenths of a millisecond
_RETRY_AFTER = 2.0  # seconds after a failure in which nobody is asked
_LONGEST_ANSWER = 4096


class GuardClient:
    """`ask` raises nothing; None is no answer."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: deque[asyncio.Future[object]] = deque()
        self._reading: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._not_before = 0.0
        self._failing = LogThrottle(log)

    async def seconds(self, *question: str) -> int:
        """The number that answers; 0 where there is none."""
        answer = await self.ask(*question)
        return answer if isinstance(answer, int) else 0

    async def ask(self, *question: str) -> object:
        """The answer to one question, or None where it does not come in time."""
        if time.monotonic() < self._not_before:
            return None
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._ask(json.dumps(question).encode() + b"\n")
        except OSError as error:  # TimeoutError is one
            cause = str(error) or type(error).__name__
            self._failing.warning("%s: nobody counts failed logins: %s", self._path, cause)
            self._not_before = time.monotonic() + _RETRY_AFTER
            self.close()
            return None
        self._failing.recovered()
        return answer

    async def _ask(self, line: bytes) -> object:
        async with self._opening:
            if self._writer is None:
                reader, self._writer = await asyncio.open_unix_connection(
                    str(self._path), limit=_LONGEST_ANSWER
                )
                self._reading = asyncio.create_task(self._read(reader, self._waiting))
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._writer.write(line)
        return await answer

    async def _read(
        self, reader: asyncio.StreamReader, waiting: deque[asyncio.Future[object]]
    ) -> None:
        try:
            while line := await reader.readline():
                answer = waiting.popleft()
                if not answer.done():
                    answer.set_result(json.loads(line))
        except (OSError, ValueError, IndexError):
            pass
        if waiting is self._waiting:
            self.close()

    def close(self) -> None:
        """End the connection; whoever waits has no answer, and a late one is nobody's."""
        waiting, self._waiting = self._waiting, deque()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._reading is not None and self._reading is not asyncio.current_task():
            self._reading.cancel()
        self._reading = None
        for answer in waiting:
            if not answer.done():
                answer.set_exception(ConnectionResetError("the guard closed the connection"))
