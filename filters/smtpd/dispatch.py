"""What becomes of a line from smtpd: which handler it goes to, and the one answer in time.

No I/O of its own: answers go to the outlet. Whatever a handler does, every request is answered
once; an exception, or a coroutine past its deadline, earns the sender a 451 and the log a line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from filters.smtpd.connection import Connection, Handshake
from filters.smtpd.handlers import (
    REWRITABLE,
    TOO_LONG,
    UNAVAILABLE,
    Handler,
    OutgoingHandler,
    express,
)
from filters.smtpd.link import Outlet
from filters.smtpd.message_filter import MessageFilter
from filters.smtpd.path import LONGEST_PATH
from filters.smtpd.session import Session
from filters.smtpd.sessions import Sessions
from filters.smtpd.verdict import PROCEED, Proceed, Rewrite, Verdict
from filters.smtpd.wire import Config, DataLines, Line, Report, Request

log = logging.getLogger(__name__)


class Dispatcher:
    """The handlers of one process by what they are for, and the sessions that they work on.

    `tracked` are the reports that a Session is made of; None: there are none.
    """

    def __init__(self, connection: Connection, outlet: Outlet, *, deadline: float) -> None:
        self.reports: dict[str, list[Handler]] = {}
        self.outgoing: dict[str, OutgoingHandler] = {}
        self.filters: dict[str, list[Handler]] = {}
        self.message_filter: MessageFilter | None = None
        self.ready: list[Callable[[Handshake], None]] = []
        self.tracked: tuple[str, ...] | None = None
        self.sessions = Sessions()
        self._connection = connection
        self._outlet = outlet
        self._deadline = deadline

    @property
    def at_rest(self) -> bool:
        """Whether no complete message and no request is being worked on."""
        waiting = self.message_filter is not None and self.message_filter.waiting
        return not waiting and not self.sessions.at_work

    def close(self) -> None:
        """End the work that is in hand: nobody waits for it any more."""
        if self.message_filter is not None:
            self.message_filter.close()
        self.sessions.cancel_all()

    def dispatch(self, line: Line) -> None:
        """Give the line to whom it is for."""
        if isinstance(line, DataLines):
            if self.message_filter is not None:
                self.message_filter.receive(line)
        elif isinstance(line, Request):
            self._filter(line)
        elif isinstance(line, Report):
            self._report(line)
        elif isinstance(line, Config):
            self._register()

    def _register(self) -> None:
        handshake = self._connection.handshake
        if newer := handshake.newer_protocol:
            log.warning("smtpd speaks protocol %s, which is newer than this library", newer)
        for handler in self.ready:
            handler(handshake)
        reports = dict.fromkeys(["tx-reset", "link-disconnect", *self.reports])
        reports.update(dict.fromkeys(self.tracked or ()))
        phases = dict.fromkeys(self.filters)
        if self.message_filter is not None:
            phases.update(dict.fromkeys(("data-line", "commit")))
        self._outlet.write(self._connection.register(reports, phases, self.outgoing))

    def _context(self, session: str) -> Session | None:
        return None if self.tracked is None else self.sessions.context(session)

    # -- reports -----------------------------------------------------------------------------

    def _report(self, report: Report) -> None:
        if report.subsystem != "smtp-in":
            if report.subsystem == "smtp-out" and report.event in self.outgoing:
                self.outgoing[report.event](report)
            return
        context = self._context(report.session)
        if context is not None:
            context.apply(report)
        for handler in self.reports.get(report.event, ()):
            try:
                result = handler(context, report)
                if isinstance(result, Awaitable):
                    # What has happened is told to its end, though the client may be gone by then.
                    self.sessions.spawn_lasting(self._finish(report, result))
            except Exception:
                log.exception("the handler of report %s failed", report.event)
        if report.event in {"tx-reset", "tx-rollback", "link-disconnect"}:
            if self.message_filter is not None:
                self.message_filter.end_transaction(report.session)
            if report.event == "link-disconnect":
                self._connection.forget(report.session)
                self.sessions.end(report.session)

    async def _finish(self, report: Report, result: Awaitable[Any]) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                await result
        except TimeoutError:
            log.error("report %s took more than %g s", report.event, self._deadline)
        except Exception:
            log.exception("the handler of report %s failed", report.event)

    # -- filter phases -----------------------------------------------------------------------

    def _filter(self, request: Request) -> None:
        handlers = self.filters.get(request.phase, ())
        asked = Asked(request, self._context(request.session) if handlers else None)
        if request.phase == "commit" and self.message_filter is not None:
            refusal = self.message_filter.take_verdict(request.session)
            if refusal is not None:
                asked.verdict = refusal
                self._answer(asked)
                return
        if request.phase in TOO_LONG and len(request.parameter) > LONGEST_PATH:
            asked.verdict = TOO_LONG[request.phase]
            self._answer(asked)
            return
        try:
            for number, handler in enumerate(handlers, 1):
                result = handler(asked.context, asked.request)
                if isinstance(result, Awaitable):
                    later = self._answer_later(asked, result, handlers[number:])
                    self.sessions.spawn(request.session, later)
                    return
                if not asked.goes_on(result):
                    break
        except Exception:
            log.exception("the handler of phase %s failed", request.phase)
            asked.verdict = UNAVAILABLE
        self._answer(asked)

    async def _answer_later(
        self, asked: Asked, result: Awaitable[Verdict | None], others: Sequence[Handler]
    ) -> None:
        """Await what one handler began, then ask the others; one deadline is for all of them."""
        phase = asked.request.phase
        try:
            async with asyncio.timeout(self._deadline):
                await _ask(asked, result, others)
        except TimeoutError:
            log.error("phase %s took more than %g s", phase, self._deadline)
            asked.verdict = UNAVAILABLE
        except Exception:
            log.exception("the handler of phase %s failed", phase)
            asked.verdict = UNAVAILABLE
        self._answer(asked)
        self._outlet.flush()

    def _answer(self, asked: Asked) -> None:
        request, verdict = asked.request, asked.verdict
        if asked.context is not None:
            asked.context.rewritten.pop(request.phase, None)
            if isinstance(verdict, Rewrite):
                asked.context.rewritten[request.phase] = (asked.written, verdict.parameter)
        answer = self._connection.answer(request, express(request.phase, verdict))
        if answer:
            self._outlet.hold(answer)


class Asked:
    """One request on its way through the handlers of its phase, and the answer so far."""

    def __init__(self, request: Request, context: Session | None) -> None:
        self.request = request
        self.written = request.address
        self.context = context
        self.verdict: Verdict = PROCEED

    def goes_on(self, answer: Verdict | None) -> bool:
        """Take in a handler's answer; whether the next one is asked: not after a refusal, nor
        after nonsense. After a rewrite it is, of what it was rewritten to.
        """
        if not answer or isinstance(answer, Proceed):
            return True
        self.verdict = answer
        if not isinstance(answer, Rewrite) or self.request.phase not in REWRITABLE:
            return False
        self.request = replace(self.request, parameter=answer.parameter.encode("ascii"))
        return True


async def _ask(asked: Asked, result: Awaitable[Verdict | None], others: Sequence[Handler]) -> None:
    goes_on = asked.goes_on(await result)
    for handler in others:
        if not goes_on:
            break
        answer = handler(asked.context, asked.request)
        goes_on = asked.goes_on(await answer if isinstance(answer, Awaitable) else answer)
