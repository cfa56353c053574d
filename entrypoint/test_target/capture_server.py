"""The UNIX socket at which the filter hands over what it has: the target process's end of it.

Messages and questions come in and are answered in whatever order they are done; zones, faults and
clients go out, and the filter says when they hold. Who connects gets all of the state first, so
smtpd or this process may begin again at any time.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from filters.capture.frames import FrameError, Header, frame, read_frame

log = logging.getLogger(__name__)

_HOLDS_WITHIN = 5.0  # seconds: the filter answers at once unless it hangs
_LIMIT = 1 << 20  # bytes that are read ahead

Answer = Callable[[Header, bytes], Awaitable[Mapping[str, Any] | None]]
State = Callable[[], Iterable[Mapping[str, Any]]]


class CaptureServer:
    """answer: what becomes of a frame; state: what a filter that connects has to know first."""

    def __init__(self, answer: Answer, state: State) -> None:
        self._answer = answer
        self._state = state
        self._filters: set[_Filter] = set()
        self._server: asyncio.Server | None = None
        self.came = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether a filter is there that knows the state."""
        return any(each.ready.is_set() for each in self._filters)

    async def start(self, listener: socket.socket) -> None:
        """Listen; takes the socket over."""
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_LIMIT)

    async def tell(self, statement: Mapping[str, Any]) -> None:
        """Every filter, until it holds. Raises TimeoutError."""
        told = [each.tell(statement) for each in self._filters]
        if told:
            async with asyncio.timeout(_HOLDS_WITHIN):
                await asyncio.gather(*told)

    def mention(self, statement: Mapping[str, Any]) -> None:
        """The same, and nobody waits."""
        for each in self._filters:
            each.tell(statement)

    async def close(self, seconds: float) -> None:
        """Take nothing more, answer what is there, as far as there is time for it."""
        if self._server is not None:
            self._server.close()
        pending = [task for each in self._filters for task in each.tasks]
        if pending:
            await asyncio.wait(pending, timeout=seconds)
        for each in list(self._filters):
            each.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Filter(writer, self._answer)
        for statement in ({"begin": True}, *self._state()):
            connection.tell(statement)
        # Whatever is said from here on comes behind the state.
        self._filters.add(connection)
        complete = connection.tell({"complete": True})
        complete.add_done_callback(lambda done: self._complete(connection, done))
        try:
            await connection.converse(reader)
        except (OSError, EOFError):
            pass
        except (FrameError, KeyError, TypeError, ValueError) as error:
            log.error("the filter says what is none: %s", error)
        finally:
            self._filters.discard(connection)
            connection.close()

    def _complete(self, connection: _Filter, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is None:
            connection.ready.set()
            self.came.set()


class _Filter:
    """One connection."""

    def __init__(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        self.ready = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self._writer = writer
        self._answer = answer
        self._numbers = itertools.count(1)
        self._told: dict[int, asyncio.Future[None]] = {}

    def tell(self, statement: Mapping[str, Any]) -> asyncio.Future[None]:
        """Done once it holds, or the filter is gone: then it holds for nobody."""
        number = next(self._numbers)
        holds: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._told[number] = holds
        self._writer.write(frame({**statement, "state": number}))
        return holds

    async def converse(self, reader: asyncio.StreamReader) -> None:
        """Until one of the two ends. Raises EOFError, OSError, FrameError."""
        while True:
            header, body = await read_frame(reader)
            if "state" in header:
                holds = self._told.pop(header["state"], None)
                if holds is not None and not holds.done():
                    holds.set_result(None)
                continue
            task = asyncio.get_running_loop().create_task(self._answered(header, body))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _answered(self, header: Header, body: bytes) -> None:
        try:
            answer = await self._answer(header, body)
        except Exception:
            log.exception("what the filter asked could not be answered")
            answer = {"reply": "451 4.3.0 the message could not be stored, please try again later"}
        if answer is not None and "id" in header:
            self._writer.write(frame({**answer, "id": header["id"]}))

    def close(self) -> None:
        """Nobody waits for it any more."""
        for holds in self._told.values():
            if not holds.done():
                holds.set_result(None)
        self._told.clear()
        self._writer.close()
