"""The submission filter's restrictions on logins and on how much they send: blocks and rates.

`filters.guard` decides; here the decision becomes a reply. A blocked client is refused at AUTH: at
connect, it would be without TLS on port 465 where nobody could read why, and smtpd lets a session
that is open guess for ever. smtpd hands AUTH's parameter over, too; nothing here looks at it, so
that the login is known afterwards only. Where others are welcome, the guard learns which clients
are about to log in, and refuses one that has to wait as if its password were wrong; one that slips
through is refused at MAIL.
"""

from __future__ import annotations

import asyncio
import logging

from filters.guard.client import GuardClient
from filters.guard.sending_limit import SendingLimit
from filters.login_name import login_bytes
from filters.smtpd import Disconnect, FilterServer, Reject, Report, Request, Session
from filters.smtpd.vis import unvis

log = logging.getLogger(__name__)

# Wrong passwords in one session: whoever needs more is guessing.
MOST_FAILURES = 3

_WAITS, _FAILED, _BEGUN = "guard: seconds to wait", "guard: failures", "guard: AUTH has begun"
_HELD = "limit: recipients held"


class LoginAccess:
    """Reports every login to the guard, and refuses what it blocks."""

    def __init__(self, guard: GuardClient) -> None:
        self.guard = guard

    def follow_logins(self, server: FilterServer) -> None:
        """Note how each AUTH ends: the restrictions go by it."""
        server.register_handler("report", "link-auth", self.note_login)
        server.register_handler("report", "link-disconnect", self.note_end)

    async def reject_blocked_client(self, session: Session, request: Request) -> Disconnect | None:
        """At AUTH: everyone at a blocked client, and who has failed too often in this session."""
        address = session.client_address
        if address is None:
            return None
        if session.state.get(_FAILED, 0) >= MOST_FAILURES:
            return Disconnect(421, "4.7.0 too many failed logins, connect again")
        seconds = await self.guard.seconds("begin", session.id, address)
        if not seconds:
            session.state[_BEGUN] = True
            return None
        log.info("client=%s refused: failed logins", address)
        return _wait(seconds)

    async def reject_blocked_login(self, session: Session, request: Request) -> Disconnect | None:
        """At MAIL: a login that has to wait at this client though its password was right."""
        pending = session.state.get(_WAITS)
        seconds = await pending if pending is not None else 0
        if not seconds:
            return None
        log.warning(
            "login=%s client=%s refused: failed logins before", session.user, session.client_address
        )
        return _wait(seconds)

    async def note_login(self, session: Session, report: Report) -> None:
        """After AUTH: how it went."""
        if session.client_address is None or len(report.fields) != 2:
            return
        result = report.fields[0]
        login = login_bytes(unvis(report.fields[1])).decode("utf-8", "backslashreplace")
        session.state.pop(_BEGUN, None)
        whose = session.id, session.client_address, login
        if result == b"fail":
            session.state[_FAILED] = session.state.get(_FAILED, 0) + 1
            await self.guard.ask("fail", *whose)
        elif result == b"pass":
            pending = asyncio.ensure_future(self.guard.seconds("pass", *whose))
            session.state[_WAITS] = pending
            await pending
        else:
            await self.guard.ask("error", *whose)

    async def note_end(self, session: Session, report: Report) -> None:
        """The client has gone, perhaps in the middle of AUTH."""
        if session.state.pop(_BEGUN, False):
            await self.guard.ask("left", session.id)


class SendingAccess:
    """Counts an account's recipients: a transaction holds them, and spends them when it is sent."""

    def __init__(self, limit: SendingLimit) -> None:
        self.limit = limit

    def follow_transactions(self, server: FilterServer) -> None:
        """Note how each transaction ends: the restriction goes by it."""
        server.register_handler("report", "tx-commit", self.note_sent)
        for event in ("tx-reset", "link-disconnect"):
            server.register_handler("report", event, self.note_end)

    def reject_over_limit(self, session: Session, request: Request) -> Reject | None:
        """At RCPT: an account that has written to as many as it may."""
        if session.user is None:
            return None
        if self.limit.hold(session.user):
            session.state[_HELD] = session.state.get(_HELD, 0) + 1
            return None
        self.limit.warn(session.user)
        return Reject(451, f"4.7.1 {session.user} has sent too much mail, try again later")

    def note_sent(self, session: Session, report: Report) -> None:
        """The message is in the queue."""
        held = session.state.pop(_HELD, 0)
        if session.user is not None and held:
            self.limit.send(session.user, held)

    def note_end(self, session: Session, report: Report) -> None:
        """A reset, a refusal or the end of the session."""
        held = session.state.pop(_HELD, 0)
        if session.user is not None and held:
            self.limit.release(session.user, held)


def name_account(session: Session, report: Report) -> None:
    """After AUTH: the session is the account's, however its login was written."""
    if session.user is not None and len(report.fields) == 2 and report.fields[0] == b"pass":
        session.user = login_bytes(unvis(report.fields[1])).decode("ascii", "backslashreplace")


def _wait(seconds: int) -> Disconnect:
    minutes = max(1, -(-seconds // 60))
    return Disconnect(
        421, f"4.7.0 too many failed logins from your network, try again in {minutes} minutes"
    )
