"""Which handlers there may be, and what their answers become in smtpd's words.

No I/O and no state: names that smtpd would die of are refused here, once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from filters.smtpd.session import Session
from filters.smtpd.verdict import Disconnect, Proceed, Reject, Rewrite, Verdict
from filters.smtpd.wire import Report

log = logging.getLogger(__name__)

Handler = Callable[[Any, Any], "Verdict | Awaitable[Verdict | None] | None"]
MessageHandler = Callable[[Session, bytes], "bytes | Reject | Awaitable[bytes | Reject]"]
OutgoingHandler = Callable[[Report], None]

# Not `wiz` (fatal on 7.9), and data-line only for whole messages.
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
# A client must always be able to leave or to start afresh (RFC 5321 §4.1.1.5, §4.1.1.10).
NEVER_REFUSED = frozenset({"rset", "quit", "noop"})

UNAVAILABLE = Reject(451, "4.3.0 the mail filter could not do its work, please try again later")
# RFC 5321 §4.5.3.1.10.
TOO_LONG = {
    "mail-from": Reject(501, "5.1.7 the path is too long"),
    "rcpt-to": Reject(501, "5.1.3 the path is too long"),
}
NO_ROOM = Reject(452, "4.3.1 there is no room for the message, please try again later")


def express(phase: str, verdict: Verdict) -> str:
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
