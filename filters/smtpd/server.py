"""FilterServer: what a filter registers, and the only I/O: the one socket that smtpd gives.

smtpd has no filter timeout, restarts no filter and dies with it. So the process ends at end of
input and never otherwise; what becomes of a line is `dispatch`'s.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from filters.smtpd import collector
from filters.smtpd.connection import Connection, Handshake
from filters.smtpd.dispatch import Dispatcher
from filters.smtpd.handlers import (
    PHASES,
    REPORT_EVENTS,
    Handler,
    MessageHandler,
    OutgoingHandler,
)
from filters.smtpd.link import Link, Outlet
from filters.smtpd.message_filter import MessageFilter
from filters.smtpd.session import REPORTS

log = logging.getLogger(__name__)


class FilterServer:
    """One filter process.

    `deadline` is how many seconds a coroutine handler may take for one request before the client
    gets a 451. Plain functions run at once on the event loop and must not block; for messages of
    more than 256 KB they run in a thread. `spool` is the directory where such messages wait,
    on a disk and not in memory; by default the system's for temporary files.
    """

    def __init__(self, *, deadline: float = 60.0, spool: Path | None = None) -> None:
        self.deadline = deadline
        self._spool = spool
        self._connection = Connection()
        self._outlet = Outlet()
        self._dispatcher = Dispatcher(self._connection, self._outlet, deadline=deadline)

    @property
    def handshake(self) -> Handshake:
        """What smtpd has said of itself so far."""
        return self._connection.handshake

    @property
    def at_rest(self) -> bool:
        """Whether no complete message and no request is being worked on."""
        return self._dispatcher.at_rest

    # -- registration ------------------------------------------------------------------------

    def register_handler(self, event: str, phase: str, handler: Handler) -> None:
        """Call `handler(context, event)` for a report event or a filter phase.

        `event` is "report" or "filter"; `phase` an event or phase of smtpd-filters(7). `context`
        is the Session (None without `track_context`); the second argument a Report or Request.
        A filter handler returns a Verdict, None for proceed, or an awaitable of either. Several
        handlers of a phase are asked in the order of their registration, and the first refusal
        (whatever is neither proceed nor a rewrite) is the answer; after a Rewrite the others are
        asked of what it says. They share the deadline. Raises ValueError for a name whose
        registration would kill smtpd.
        """
        if event == "report" and phase in REPORT_EVENTS:
            self._dispatcher.reports.setdefault(phase, []).append(handler)
        elif event == "filter" and phase in PHASES:
            self._dispatcher.filters.setdefault(phase, []).append(handler)
        else:
            raise ValueError(f"{event}|{phase}: smtpd knows no such event, or it would kill smtpd")

    def register_outgoing(self, event: str, handler: OutgoingHandler) -> None:
        """Call `handler(report)` for an event of mail that smtpd delivers elsewhere.

        Only 6.7 and newer tell, of `relay` actions that name the filter; else the handler is not
        called. Raises ValueError for an event that smtpd does not know.
        """
        if event not in REPORT_EVENTS:
            raise ValueError(f"report|smtp-out|{event}: smtpd knows no such event")
        self._dispatcher.outgoing[event] = handler

    def track_context(self, events: Iterable[str] = REPORTS) -> None:
        """Keep a Session for each SMTP session, freed at its disconnect.

        `events` are the reports that it is made of. Each costs smtpd and this process a line, so
        a filter that looks at a part of the Session only may name those of that part. Raises
        ValueError for an event that smtpd does not know.
        """
        self._dispatcher.tracked = tuple(events)
        for event in self._dispatcher.tracked:
            if event not in REPORT_EVENTS:
                raise ValueError(f"report|{event}: smtpd knows no such event")

    def register_message_filter(self, handler: MessageHandler) -> None:
        """Call `handler(session, message)` with each whole message, line ends CRLF.

        It returns the new message, or a Reject that the client gets at commit; a coroutine may
        do so. Whatever it raises earns a 451, and so does one that misses the deadline.
        """
        self._dispatcher.message_filter = MessageFilter(
            handler,
            sessions=self._dispatcher.sessions,
            outlet=self._outlet,
            deadline=self.deadline,
            spool=self._spool,
        )
        if self._dispatcher.tracked is None:
            self.track_context()

    def time_messages(self, note: Callable[[float], None]) -> None:
        """Call `note(seconds)` for each message that has gone back: from its end to then.

        Raises ValueError where no message filter is registered.
        """
        if self._dispatcher.message_filter is None:
            raise ValueError("there is no message filter to be timed")
        self._dispatcher.message_filter.timed = note

    def on_ready(self, handler: Callable[[Handshake], None]) -> None:
        """Call `handler(handshake)` once, before registering with smtpd."""
        self._dispatcher.ready.append(handler)

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
        collector.freeze()
        collecting = loop.create_task(collector.collect_at_rest(lambda: self.at_rest))
        await self.serve(link)
        collecting.cancel()

    async def serve(self, link: socket.socket) -> None:
        """Serve smtpd on a connected stream socket until it is closed; takes it over."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_loop_error)
        link.setblocking(False)
        end = Link(self.receive, self._outlet)
        transport, _ = await loop.create_connection(lambda: end, sock=link)
        try:
            await end.closed
        finally:
            self._dispatcher.close()
            transport.abort()

    def receive(self, data: bytes, write: Callable[[bytes], None]) -> None:
        """Take in bytes from smtpd; answers go to `write`, now or later. Never raises."""
        self._outlet.target = write
        for line in self._connection.receive_data(data):
            try:
                self._dispatcher.dispatch(line)
            except Exception:
                log.exception("a line from smtpd could not be handled")
        self._outlet.flush()
        for error in self._connection.malformed:
            log.error("%s", error)
        self._connection.malformed.clear()


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.error("%s", context.get("message"), exc_info=context.get("exception"))
