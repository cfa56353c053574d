"""FilterServer: handlers, their deadlines, and the only I/O: the one socket that smtpd gives.

smtpd has no filter timeout, restarts no filter and dies with it. So whatever a handler does,
every request is answered once and in time, an exception earns the sender a 451 and the log a
traceback, and the process ends at end of input and never otherwise.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from filters.smtpd.budget import Budget
from filters.smtpd.connection import Connection, Handshake
from filters.smtpd.handlers import (
    NO_ROOM,
    PHASES,
    REPORT_EVENTS,
    UNAVAILABLE,
    Handler,
    MessageHandler,
    OutgoingHandler,
    express,
)
from filters.smtpd.link import Link
from filters.smtpd.messages import (
    PLACEHOLDER,
    IncomingMessage,
    MessageStore,
    data_lines,
    sendable,
)
from filters.smtpd.session import REPORTS, Session
from filters.smtpd.verdict import PROCEED, Reject, Verdict
from filters.smtpd.wire import (
    Config,
    DataLines,
    Line,
    Report,
    Request,
    data_line_prefix,
)

log = logging.getLogger(__name__)

# Large messages together hold at most this many bytes of memory; the others wait on disk. While
# one is filtered it is there twice, as it came and as it leaves, and its parts once more.
LARGE_MESSAGES_BUDGET = 256 << 20
COST_OF_A_BYTE = 3


class FilterServer:
    """One filter process.

    `deadline` is how many seconds a coroutine handler may take for one request before the client
    gets a 451. Plain functions run at once on the event loop and must not block; for messages of
    more than 256 KB they run in a thread. `spool` is the directory where such messages wait,
    on a disk and not in memory; by default the system's for temporary files.
    """

    def __init__(self, *, deadline: float = 60.0, spool: Path | None = None) -> None:
        self.deadline = deadline
        self.handshake = Handshake()
        self._reports: dict[str, list[Handler]] = {}
        self._outgoing: dict[str, OutgoingHandler] = {}
        self._filters: dict[str, Handler] = {}
        self._message_handler: MessageHandler | None = None
        self._ready_handlers: list[Callable[[Handshake], None]] = []
        self._track = False
        self._sessions: dict[str, Session] = {}
        self._messages = MessageStore(spool)
        self._budget = Budget(LARGE_MESSAGES_BUDGET)
        self._tasks: dict[str, set[asyncio.Task[None]]] = {}
        self._connection = Connection()
        self._write: Callable[[bytes], None] = lambda data: None
        self._link: Link | None = None

    # -- registration ------------------------------------------------------------------------

    def register_handler(self, event: str, phase: str, handler: Handler) -> None:
        """Call `handler(context, event)` for a report event or a filter phase.

        `event` is "report" or "filter"; `phase` an event or phase of smtpd-filters(7). `context`
        is the Session (None without `track_context`); the second argument a Report or Request.
        A filter handler returns a Verdict, None for proceed, or an awaitable of either. Raises
        ValueError for a name whose registration would kill smtpd, or a phase taken twice.
        """
        if event == "report" and phase in REPORT_EVENTS:
            self._reports.setdefault(phase, []).append(handler)
        elif event == "filter" and phase in PHASES:
            if phase in self._filters:
                raise ValueError(f"filter|{phase}: smtpd asks one handler a phase")
            self._filters[phase] = handler
        else:
            raise ValueError(f"{event}|{phase}: smtpd knows no such event, or it would kill smtpd")

    def register_outgoing(self, event: str, handler: OutgoingHandler) -> None:
        """Call `handler(report)` for an event of mail that smtpd delivers elsewhere.

        Only 6.7 and newer tell, of `relay` actions that name the filter; else the handler is not
        called. Raises ValueError for an event that smtpd does not know.
        """
        if event not in REPORT_EVENTS:
            raise ValueError(f"report|smtp-out|{event}: smtpd knows no such event")
        self._outgoing[event] = handler

    def track_context(self) -> None:
        """Keep a Session for each SMTP session, freed at its disconnect."""
        self._track = True

    def register_message_filter(self, handler: MessageHandler) -> None:
        """Call `handler(session, message)` with each whole message, line ends CRLF.

        It returns the new message, or a Reject that the client gets at commit; a coroutine may
        do so. Whatever it raises earns a 451, and so does one that misses the deadline.
        """
        self._message_handler = handler
        self._track = True

    def on_ready(self, handler: Callable[[Handshake], None]) -> None:
        """Call `handler(handshake)` once, before registering with smtpd."""
        self._ready_handlers.append(handler)

    # -- the loop ----------------------------------------------------------------------------

    def serve_forever(self) -> None:
        """Serve smtpd on standard input and output until it closes them.

        Both are one socket. It is moved away from descriptor 1, which becomes standard error:
        what a library prints must never reach smtpd.
        """
        link = socket.socket(fileno=os.dup(0))
        os.dup2(2, 1)
        asyncio.run(self._serve_until_closed(link))

    async def _serve_until_closed(self, link: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # smtpd dies with its filters, so only smtpd's own end ends one.
            loop.add_signal_handler(number, lambda: None)
        await self.serve(link)

    async def serve(self, link: socket.socket) -> None:
        """Serve smtpd on a connected stream socket until it is closed; takes it over."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_loop_error)
        link.setblocking(False)
        end = self._link = Link(self.receive)
        transport, _ = await loop.create_connection(lambda: end, sock=link)
        try:
            await end.closed
        finally:
            for tasks in self._tasks.values():
                for task in tasks:
                    task.cancel()
            transport.abort()

    def receive(self, data: bytes, write: Callable[[bytes], None]) -> None:
        """Take in bytes from smtpd; answers go to `write`, now or later. Never raises."""
        self._write = write
        lines = self._connection.receive_data(data)
        for error in self._connection.malformed:
            log.error("%s", error)
        self._connection.malformed.clear()
        for line in lines:
            try:
                self._dispatch(line)
            except Exception:
                log.exception("a line from smtpd could not be handled")

    def _dispatch(self, line: Line) -> None:
        if isinstance(line, DataLines):
            message = self._messages.add(line)
            if message is not None:
                self._filter_message(line, message)
        elif isinstance(line, Request):
            self._filter(line)
        elif isinstance(line, Report):
            self._report(line)
        elif isinstance(line, Config):
            self._register()

    def _register(self) -> None:
        self.handshake = self._connection.handshake
        if newer := self.handshake.newer_protocol:
            log.warning("smtpd speaks protocol %s, which is newer than this library", newer)
        for handler in self._ready_handlers:
            handler(self.handshake)
        reports = dict.fromkeys(["tx-reset", "link-disconnect", *self._reports])
        if self._track:
            reports.update(dict.fromkeys(REPORTS))
        phases = dict.fromkeys(self._filters)
        if self._message_handler is not None:
            phases.update(dict.fromkeys(("data-line", "commit")))
        self._write(self._connection.register(reports, phases, self._outgoing))

    # -- reports -----------------------------------------------------------------------------

    def _report(self, report: Report) -> None:
        if report.subsystem != "smtp-in":
            if report.subsystem == "smtp-out" and report.event in self._outgoing:
                self._outgoing[report.event](report)
            return
        context = self._context(report.session)
        if context is not None:
            context.apply(report)
        for handler in self._reports.get(report.event, ()):
            try:
                result = handler(context, report)
                if isinstance(result, Awaitable):
                    self._spawn(report.session, _finish(result))
            except Exception:
                log.exception("the handler of report %s failed", report.event)
        if report.event in {"tx-reset", "tx-rollback"}:
            self._messages.end_transaction(report.session)
        elif report.event == "link-disconnect":
            self._messages.end_transaction(report.session)
            self._connection.forget(report.session)
            self._sessions.pop(report.session, None)
            for task in self._tasks.pop(report.session, ()):
                task.cancel()

    def _context(self, session: str) -> Session | None:
        if not self._track:
            return None
        context = self._sessions.get(session)
        if context is None:
            context = self._sessions[session] = Session(session)
        return context

    # -- filter phases -----------------------------------------------------------------------

    def _filter(self, request: Request) -> None:
        handler = self._filters.get(request.phase)
        kept = self._messages.take_verdict(request.session) if request.phase == "commit" else None
        if kept is not None or handler is None:
            self._answer(request, kept or PROCEED)
            return
        try:
            result = handler(self._context(request.session), request)
        except Exception:
            log.exception("the handler of phase %s failed", request.phase)
            self._answer(request, UNAVAILABLE)
            return
        if isinstance(result, Awaitable):
            self._spawn(request.session, self._answer_later(request, result))
        else:
            self._answer(request, result or PROCEED)

    async def _answer_later(self, request: Request, result: Awaitable[Verdict | None]) -> None:
        verdict: Verdict = UNAVAILABLE
        try:
            async with asyncio.timeout(self.deadline):
                verdict = await result or PROCEED
        except TimeoutError:
            log.error("phase %s took more than %g s", request.phase, self.deadline)
        except Exception:
            log.exception("the handler of phase %s failed", request.phase)
        self._answer(request, verdict)

    def _answer(self, request: Request, verdict: Verdict) -> None:
        answer = self._connection.answer(request, express(request.phase, verdict))
        if answer:
            self._write(answer)

    # -- messages ----------------------------------------------------------------------------

    def _filter_message(self, end: DataLines, message: IncomingMessage) -> None:
        session = self._context(end.session)
        handler = self._message_handler
        if session is None or handler is None:
            return
        if message.is_large:
            self._spawn(end.session, self._filter_large(end, message, session, handler))
            return
        try:
            raw = message.read()
        except OSError as error:
            log.error("session=%s: the message could not be spooled: %s", end.session, error)
            self._send_back(end, session, PLACEHOLDER, NO_ROOM)
            return
        try:
            result = handler(session, raw)
        except Exception:
            log.exception("the message filter failed")
            self._send_back(end, session, *_prepared(raw, UNAVAILABLE, end))
            return
        if isinstance(result, Awaitable):
            self._spawn(end.session, self._send_back_later(end, session, raw, result))
        else:
            self._send_back(end, session, *_prepared(raw, result, end))

    async def _send_back_later(
        self, end: DataLines, session: Session, raw: bytes, result: Awaitable[bytes | Reject]
    ) -> None:
        self._send_back(end, session, *_prepared(raw, await self._outcome(result), end))

    async def _outcome(self, result: Awaitable[bytes | Reject]) -> bytes | Reject:
        try:
            async with asyncio.timeout(self.deadline):
                return await result
        except TimeoutError:
            log.error("a message took more than %g s", self.deadline)
        except Exception:
            log.exception("the message filter failed")
        return UNAVAILABLE

    def _send_back(
        self, end: DataLines, session: Session, message: bytes, refusal: Reject | None
    ) -> None:
        """Send the message back at once; what is refused goes back as it came, until commit."""
        if self._is_alive(session):
            self._messages.keep_verdict(end.session, refusal)
            prefix = data_line_prefix(end.version, end.session, end.token)
            self._write(b"".join(data_lines(message, prefix)))

    async def _filter_large(
        self, end: DataLines, message: IncomingMessage, session: Session, handler: MessageHandler
    ) -> None:
        """The same for a message on disk: in its turn, in a thread, and out block by block."""
        try:
            async with self._budget.hold(COST_OF_A_BYTE * message.size):
                back, refusal = await self._filtered_large(end, message, session, handler)
                if not self._is_alive(session):
                    return
                self._messages.keep_verdict(end.session, refusal)
                prefix = data_line_prefix(end.version, end.session, end.token)
                for block in data_lines(back, prefix):
                    self._write(block)
                    if self._link is not None:
                        await self._link.writable()
        finally:
            message.close()

    async def _filtered_large(
        self, end: DataLines, message: IncomingMessage, session: Session, handler: MessageHandler
    ) -> tuple[bytes, Reject | None]:
        try:
            raw = await asyncio.to_thread(message.read)
        except OSError as error:
            log.error("session=%s: the message could not be read back: %s", end.session, error)
            return PLACEHOLDER, NO_ROOM

        async def run() -> bytes | Reject:
            result: bytes | Reject | Awaitable[bytes | Reject]
            if inspect.iscoroutinefunction(handler):
                result = handler(session, raw)
            else:
                result = await asyncio.to_thread(lambda: handler(session, raw))
            return await result if isinstance(result, Awaitable) else result

        return await asyncio.to_thread(_prepared, raw, await self._outcome(run()), end)

    # -- small parts -------------------------------------------------------------------------

    def _is_alive(self, session: Session) -> bool:
        return self._sessions.get(session.id) is session

    def _spawn(self, session: str, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        tasks = self._tasks.setdefault(session, set())
        tasks.add(task)

        def done(finished: asyncio.Task[None]) -> None:
            tasks.discard(finished)
            if not tasks and self._tasks.get(session) is tasks:
                del self._tasks[session]

        task.add_done_callback(done)


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


async def _finish(result: Awaitable[Any]) -> None:
    try:
        await result
    except Exception:
        log.exception("the handler of a report failed")


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.error("%s", context.get("message"), exc_info=context.get("exception"))
