"""The way of a message: its lines come in, its filter decides, its lines go back, and the
verdict waits for the commit.

One complete message is filtered in each turn of the loop: what smtpd asks meanwhile is read and
answered in between, so that no session's commands wait for the messages of others. Whatever the
filter does, the message has its end in time: smtpd waits for the lone `.` without a limit. It does
no I/O of its own; what is large is filtered in its turn and in a thread.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from filters.smtpd.budget import Budget
from filters.smtpd.handlers import NO_ROOM, UNAVAILABLE, MessageHandler
from filters.smtpd.link import Outlet
from filters.smtpd.messages import IncomingMessage, MessageStore
from filters.smtpd.outgoing import PLACEHOLDER, data_lines, in_front, lines_again, sendable
from filters.smtpd.session import Session
from filters.smtpd.sessions import Sessions
from filters.smtpd.verdict import Reject
from filters.smtpd.wire import DataLines, data_line_prefix

log = logging.getLogger(__name__)

# Large messages together hold at most this many bytes of memory; the others wait on disk. While
# one is filtered it is there twice, as it came and as it leaves, and its parts once more.
LARGE_MESSAGES_BUDGET = 256 << 20
COST_OF_A_BYTE = 3


class Complete(NamedTuple):
    """A message whose last line has come. end: the lines that its last was among."""

    end: DataLines
    message: IncomingMessage
    session: Session


class MessageFilter:
    """Runs `handler` on each whole message; a coroutine has `deadline` seconds for it.

    Large messages wait in files in `spool`.
    """

    def __init__(
        self,
        handler: MessageHandler,
        *,
        sessions: Sessions,
        outlet: Outlet,
        deadline: float,
        spool: Path | None,
    ) -> None:
        self.handler = handler
        self.deadline = deadline
        self.store = MessageStore(spool)
        self.budget = Budget(LARGE_MESSAGES_BUDGET)
        self._sessions = sessions
        self._outlet = outlet
        # By session, in the order of their ends.
        self._complete: OrderedDict[str, Complete] = OrderedDict()
        self._turn: asyncio.Handle | None = None
        # Who wants to know how many seconds each message was here; since when, by session.
        self.timed: Callable[[float], None] | None = None
        self._since: dict[str, float] = {}

    def receive(self, lines: DataLines) -> None:
        """Take in lines of one message; its turn comes once its last is among them."""
        message = self.store.add(lines)
        if message is None:
            return
        self._filter_now(lines.session)  # no smtpd sends a session's next before
        context = self._sessions.context(lines.session)
        self._complete[lines.session] = Complete(lines, message, context)
        if self.timed is not None:
            self._since[lines.session] = time.perf_counter()
        self._take_turn()

    def _take_turn(self) -> None:
        if self._complete and self._turn is None:
            # Not call_soon: a timer that is due comes behind what the loop reads before.
            self._turn = asyncio.get_running_loop().call_later(0, self._filter_next)

    def _filter_next(self) -> None:
        self._turn = None
        if self._complete:
            _, complete = self._complete.popitem(last=False)
            self._take_turn()  # first, so that no failure ends the turns of the others
            self._filter(*complete)

    def _filter_now(self, session: str) -> None:
        """The session's complete message, if one waits."""
        complete = self._complete.pop(session, None)
        if complete is not None:
            self._filter(*complete)

    def _filter(self, lines: DataLines, message: IncomingMessage, session: Session) -> None:
        if message.is_large:
            self._sessions.spawn(lines.session, self._filter_large(lines, message, session))
            return
        try:
            raw = message.read()
        except OSError as error:
            log.error("session=%s: the message could not be spooled: %s", lines.session, error)
            self._send_back(lines, session, PLACEHOLDER, NO_ROOM)
            return
        try:
            result = self.handler(session, raw)
        except Exception:
            log.exception("the message filter failed")
            self._finish(lines, session, message, raw, UNAVAILABLE)
            return
        if isinstance(result, Awaitable):
            later = self._finish_later(lines, session, message, raw, result)
            self._sessions.spawn(lines.session, later)
        else:
            self._finish(lines, session, message, raw, result)

    def take_verdict(self, session: str) -> Reject | None:
        """At commit: why the message is refused, if it is."""
        self._filter_now(session)  # no smtpd commits before
        return self.store.take_verdict(session)

    def end_transaction(self, session: str) -> None:
        """A reset, a rollback or a disconnect: free what was in hand."""
        complete = self._complete.pop(session, None)
        if complete is not None:
            complete.message.close()
        self._since.pop(session, None)
        self.store.end_transaction(session)

    @property
    def waiting(self) -> int:
        """Complete messages whose turn has not come."""
        return len(self._complete)

    def close(self) -> None:
        """smtpd has ended: free what waits for its turn."""
        while self._complete:
            self.end_transaction(next(iter(self._complete)))

    async def _finish_later(
        self,
        end: DataLines,
        session: Session,
        message: IncomingMessage,
        raw: bytes,
        result: Awaitable[bytes | Reject],
    ) -> None:
        self._finish(end, session, message, raw, await self._outcome(result))

    async def _outcome(self, result: Awaitable[bytes | Reject]) -> bytes | Reject:
        try:
            async with asyncio.timeout(self.deadline):
                return await result
        except TimeoutError:
            log.error("a message took more than %g s", self.deadline)
        except Exception:
            log.exception("the message filter failed")
        return UNAVAILABLE

    def _finish(
        self,
        end: DataLines,
        session: Session,
        message: IncomingMessage,
        raw: bytes,
        outcome: object,
    ) -> None:
        """Send a message back that is in memory; with its own lines where they have not changed."""
        if message.lines and isinstance(outcome, bytes):
            head = in_front(outcome, raw, end.version)
            if head is not None:
                self._send(end, session, lines_again(head, message.lines, _prefix(end)), None)
                return
        self._send_back(end, session, *_prepared(raw, outcome, end))

    def _send_back(
        self, end: DataLines, session: Session, message: bytes, refusal: Reject | None
    ) -> None:
        """What is refused goes back as it came, until commit."""
        self._send(end, session, b"".join(data_lines(message, _prefix(end))), refusal)

    def _send(self, end: DataLines, session: Session, lines: bytes, refusal: Reject | None) -> None:
        if self._sessions.is_alive(session):
            self.store.keep_verdict(end.session, refusal)
            self._outlet.write(lines)
            self._note_time(end.session)

    def _note_time(self, session: str) -> None:
        if self.timed is not None and (since := self._since.pop(session, None)) is not None:
            self.timed(time.perf_counter() - since)

    async def _filter_large(
        self, end: DataLines, message: IncomingMessage, session: Session
    ) -> None:
        """The same for a message on disk: in its turn, in a thread, and out block by block."""
        try:
            async with self.budget.hold(COST_OF_A_BYTE * message.size):
                back, refusal = await self._filtered_large(end, message, session)
                if not self._sessions.is_alive(session):
                    return
                self.store.keep_verdict(end.session, refusal)
                for block in data_lines(back, _prefix(end)):
                    self._outlet.write(block)
                    await self._outlet.room.wait()
                self._note_time(end.session)
        finally:
            message.close()

    async def _filtered_large(
        self, end: DataLines, message: IncomingMessage, session: Session
    ) -> tuple[bytes, Reject | None]:
        try:
            raw = await asyncio.to_thread(message.read)
        except OSError as error:
            log.error("session=%s: the message could not be read back: %s", end.session, error)
            return PLACEHOLDER, NO_ROOM

        async def run() -> bytes | Reject:
            result: bytes | Reject | Awaitable[bytes | Reject]
            if inspect.iscoroutinefunction(self.handler):
                result = self.handler(session, raw)
            else:
                result = await asyncio.to_thread(lambda: self.handler(session, raw))
            return await result if isinstance(result, Awaitable) else result

        return await asyncio.to_thread(_prepared, raw, await self._outcome(run()), end)


def _prefix(end: DataLines) -> bytes:
    return data_line_prefix(end.version, end.session, end.token)


def _prepared(raw: bytes, outcome: object, end: DataLines) -> tuple[bytes, Reject | None]:
    """What goes back to smtpd, and the refusal at commit: of a handler's whole outcome."""
    try:
        if isinstance(outcome, Reject):
            message, too_long = sendable(raw, end.version)
            return message, outcome if too_long is None else too_long
        if isinstance(outcome, bytes):
            return sendable(outcome, end.version)
        raise TypeError(f"expected bytes or Reject, not {type(outcome).__name__}")
    except Exception:
        log.exception("the message filter returned what is no message")
    try:
        message, too_long = sendable(raw, end.version)
    except ValueError:  # no smtpd passes a NUL on; if one does, the session still has its answer
        return PLACEHOLDER, UNAVAILABLE
    return message, too_long or UNAVAILABLE
