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
from filters.quoting import quoted
from filters.script_mail import SCRIPT_OF
from filters.smtpd import Disconnect, FilterServer, Reject, Report, Request, Session
from filters.smtpd.vis import unvis

log = logging.getLogger(__name__)

# Wrong passwords in one session: whoever needs more is guessing.
MOST_FAILURES = 3

_WAITS, _FAILED, _BEGUN = "guard: seconds to wait", "guard: failures", "guard: AUTH has begun"
# Which limit holds how many recipients of this transaction for whom; how many a script has named.
_HELD, _NAMED = "limit: held", "limit: named by a script"


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
            "client=%s refused: failed logins before at login=%s",
            session.client_address,
            quoted(session.user or ""),
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
    """Counts an account's recipients: a transaction holds them, and spends them when it is sent.

    `scripts` is the limit of what its Sieve scripts send: any stranger's mail makes them do it, and
    must not use up what the account's owner may. Whose script it is is known at the end of the
    message only.
    """

    def __init__(self, limit: SendingLimit, scripts: SendingLimit) -> None:
        self.limit, self.scripts = limit, scripts

    def follow_transactions(self, server: FilterServer) -> None:
        """Note how each transaction ends: the restrictions go by it."""
        server.register_handler("report", "tx-commit", self.note_sent)
        for event in ("tx-reset", "link-disconnect"):
            server.register_handler("report", event, self.note_end)

    def reject_over_limit(self, session: Session, request: Request) -> Reject | None:
        """At RCPT: an account that has written to as many as it may."""
        if session.user is None:
            session.state[_NAMED] = session.state.get(_NAMED, 0) + 1
            return None
        if self.limit.hold(session.user):
            _, _, before = session.state.get(_HELD, (None, None, 0))
            session.state[_HELD] = self.limit, session.user, before + 1
            return None
        self.limit.warn(session.user)
        return Reject(451, f"4.7.1 {session.user} has sent too much mail, try again later")

    def reject_script_over_limit(self, session: Session, request: Request) -> Reject | None:
        """At the end of DATA: a script's message where they have written to as many as they may.

        For good: at a 4xx, the mail that the script is run for would wait, and run it again.
        """
        account, named = session.state.get(SCRIPT_OF), session.state.get(_NAMED, 0)
        if account is None:
            return None
        if self.scripts.hold(account, named):
            session.state[_HELD] = self.scripts, account, named
            return None
        self.scripts.warn(account)
        # `sieve-send` knows it by these words, and does not log them each time.
        return Reject(550, f"5.7.1 scripts of {account} have sent too much mail")

    def note_sent(self, session: Session, report: Report) -> None:
        """The message is in the queue."""
        held = session.state.pop(_HELD, None)
        if held is not None:
            limit, account, recipients = held
            limit.send(account, recipients)

    def note_end(self, session: Session, report: Report) -> None:
        """A reset, a refusal or the end of the session."""
        session.state.pop(_NAMED, None)
        session.state.pop(SCRIPT_OF, None)
        held = session.state.pop(_HELD, None)
        if held is not None:
            limit, account, recipients = held
            limit.release(account, recipients)

    def finish(self) -> None:
        """Write what is not written yet."""
        self.limit.finish()
        self.scripts.finish()


def name_account(session: Session, report: Report) -> None:
    """After AUTH: the session is the account's, however its login was written."""
    if session.user is not None and len(report.fields) == 2 and report.fields[0] == b"pass":
        session.user = login_bytes(unvis(report.fields[1])).decode("ascii", "backslashreplace")


def _wait(seconds: int) -> Disconnect:
    minutes = max(1, -(-seconds // 60))
    return Disconnect(
        421, f"4.7.0 too many failed logins from your network, try again in {minutes} minutes"
    )
