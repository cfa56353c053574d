"""FilterServer: handlers, their deadlines, and the only I/O: the one socket that smtpd gives.

smtpd has no filter timeout, restarts no filter and dies with it. So whatever a handler does,
every request is answered once and in time, an exception earns the sender a 451 and the log a
traceback, and the process ends at end of input and never otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from filters.smtpd.connection import Connection, Handshake
from filters.smtpd.messages import MessageStore, to_lines
from filters.smtpd.session import REPORTS, Session
from filters.smtpd.verdict import PROCEED, Disconnect, Proceed, Reject, Rewrite, Verdict
from filters.smtpd.wire import Config, DataLine, Line, ProtocolError, Report, Request

log = logging.getLogger(__name__)

Event = Report | Request
Handler = Callable[[Any, Any], "Verdict | Awaitable[Verdict | None] | None"]
MessageHandler = Callable[[Session, bytes], "bytes | Reject | Awaitable[bytes | Reject]"]

PHASES = frozenset(
    {"connect", "helo", "ehlo", "starttls", "auth", "mail-from", "rcpt-to", "data", "commit"}
    | {"rset", "quit", "noop"}
)
REPORT_EVENTS = frozenset(
    {"link-connect", "link-greeting", "link-identify", "link-tls", "link-auth", "link-disconnect"}
    | {"tx-begin", "tx-mail", "tx-rcpt", "tx-envelope", "tx-data", "tx-commit", "tx-reset"}
    | {"tx-rollback", "protocol-client", "protocol-server", "timeout"}
)
REWRITABLE = frozenset({"helo", "ehlo", "mail-from", "rcpt-to"})
# A client must always be able to leave or to start afresh (RFC 5321, 4.1.1.5 and 4.1.1.10).
NEVER_REFUSED = frozenset({"rset", "quit", "noop"})

UNAVAILABLE = Reject(451, "4.3.0 the mail filter could not do its work, please try again later")


class FilterServer:
    """One filter process.

    `deadline` is how many seconds a coroutine handler may take for one request before the
    client gets a 451. Plain functions run at once on the event loop and must not block.
    """

    def __init__(self, *, deadline: float = 60.0) -> None:
        self.deadline = deadline
        self.handshake = Handshake()
        self._reports: dict[str, list[Handler]] = {}
        self._filters: dict[str, Handler] = {}
        self._message_handler: MessageHandler | None = None
        self._ready_handlers: list[Callable[[Handshake], None]] = []
        self._track = False
        self._sessions: dict[str, Session] = {}
        self._messages = MessageStore()
        self._tasks: dict[str, set[asyncio.Task[None]]] = {}
        self._connection = Connection()
        self._write: Callable[[bytes], None] = lambda data: None

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
                raise ValueError(f"filter|{phase}: a phase has one handler")
            self._filters[phase] = handler
        else:
            raise ValueError(f"{event}|{phase}: smtpd knows no such event, or it would kill smtpd")

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
        closed = loop.create_future()
        transport, _ = await loop.create_connection(lambda: _Link(self, closed), sock=link)
        try:
            await closed
        finally:
            for tasks in self._tasks.values():
                for task in tasks:
                    task.cancel()
            transport.abort()

    def receive(self, data: bytes, write: Callable[[bytes], None]) -> None:
        """Take in bytes from smtpd; answers go to `write`, now or later. Never raises."""
        self._write = write
        try:
            lines = self._connection.receive_data(data)
        except ProtocolError:
            log.exception("smtpd wrote what this protocol does not know")
            return
        for line in lines:
            try:
                self._dispatch(line)
            except Exception:
                log.exception("a line from smtpd could not be handled")

    def _dispatch(self, line: Line) -> None:
        if isinstance(line, DataLine):
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
        for handler in self._ready_handlers:
            handler(self.handshake)
        reports = dict.fromkeys(["tx-reset", "link-disconnect", *self._reports])
        if self._track:
            reports.update(dict.fromkeys(REPORTS))
        phases = dict.fromkeys(self._filters)
        if self._message_handler is not None:
            phases.update(dict.fromkeys(("data-line", "commit")))
        self._write(self._connection.register(reports, phases))

    # -- reports -----------------------------------------------------------------------------

    def _report(self, report: Report) -> None:
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
        self._send(self._connection.answer(request, _express(request.phase, verdict)))

    # -- messages ----------------------------------------------------------------------------

    def _filter_message(self, end: DataLine, message: bytes) -> None:
        session = self._context(end.session)
        if self._message_handler is None or session is None:
            self._pass_on(end, message, message, None)
            return
        try:
            result = self._message_handler(session, message)
        except Exception:
            log.exception("the message filter failed")
            self._pass_on(end, message, UNAVAILABLE, session)
            return
        if isinstance(result, Awaitable):
            self._spawn(end.session, self._pass_on_later(end, message, result, session))
        else:
            self._pass_on(end, message, result, session)

    async def _pass_on_later(
        self, end: DataLine, message: bytes, result: Awaitable[bytes | Reject], session: Session
    ) -> None:
        outcome: bytes | Reject = UNAVAILABLE
        try:
            async with asyncio.timeout(self.deadline):
                outcome = await result
        except TimeoutError:
            log.error("a message took more than %g s", self.deadline)
        except Exception:
            log.exception("the message filter failed")
        self._pass_on(end, message, outcome, session)

    def _pass_on(
        self, end: DataLine, original: bytes, outcome: bytes | Reject, session: Session | None
    ) -> None:
        """Send the message back; what is to be refused goes back as it came, until commit."""
        if session is not None and self._sessions.get(end.session) is not session:
            return
        refusal = outcome if isinstance(outcome, Reject) else None
        try:
            if refusal is None and not isinstance(outcome, bytes):
                raise TypeError(f"expected bytes or Reject, not {type(outcome).__name__}")
            lines, too_long = to_lines(
                outcome if isinstance(outcome, bytes) else original, end.version
            )
            refusal = refusal or too_long
        except Exception:
            log.exception("the message filter returned what is no message")
            lines, _ = to_lines(original, end.version)
            refusal = UNAVAILABLE
        self._messages.keep_verdict(end.session, refusal)
        self._send(self._connection.message(end, lines))

    # -- small parts -------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        if data:
            self._write(data)

    def _spawn(self, session: str, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        tasks = self._tasks.setdefault(session, set())
        tasks.add(task)

        def done(finished: asyncio.Task[None]) -> None:
            tasks.discard(finished)
            if not tasks and self._tasks.get(session) is tasks:
                del self._tasks[session]

        task.add_done_callback(done)


class _Link(asyncio.Protocol):
    """The socket. Reading never stops: smtpd's lookup process would grow without bound."""

    def __init__(self, server: FilterServer, closed: asyncio.Future[None]) -> None:
        self._server = server
        self._closed = closed
        self._write: Callable[[bytes], None] = lambda data: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        self._server.receive(data, self._write)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed.done():
            self._closed.set_result(None)


def _express(phase: str, verdict: Verdict) -> str:
    """The verdict in smtpd's words, or the nearest that does not hurt it in this phase."""
    if isinstance(verdict, Proceed) or phase in NEVER_REFUSED:
        return "proceed"
    if isinstance(verdict, Rewrite) and phase in REWRITABLE:
        bracketed = phase in {"mail-from", "rcpt-to"}
        return f"rewrite|<{verdict.parameter}>" if bracketed else f"rewrite|{verdict.parameter}"
    if isinstance(verdict, Disconnect):
        return f"disconnect|{verdict.reply}"
    if isinstance(verdict, Reject):
        # A rejected connect would leave the connection open.
        return f"{'disconnect' if phase == 'connect' else 'reject'}|{verdict.reply}"
    log.error("phase %s was answered with %r", phase, verdict)
    return f"reject|{UNAVAILABLE.reply}"


async def _finish(result: Awaitable[Any]) -> None:
    try:
        await result
    except Exception:
        log.exception("the handler of a report failed")


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.error("%s", context.get("message"), exc_info=context.get("exception"))
