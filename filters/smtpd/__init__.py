"""OpenSMTPD's filter protocol, 0.4 to 0.7, as a library: write a filter in a few lines.

    server = FilterServer()
    server.track_context()
    server.register_handler("filter", "mail-from", check_sender)
    server.register_message_filter(sign)
    server.serve_forever()

It knows the standard library, smtpd's protocol and nothing else: no DNS, no DKIM, no settings.
A line travels wire → connection → dispatch → session → handler, and the answer the same way back.
"""

from filters.smtpd.server import FilterServer
from filters.smtpd.session import Session, Transaction
from filters.smtpd.verdict import PROCEED, Disconnect, Proceed, Reject, Rewrite, Verdict
from filters.smtpd.wire import Report, Request

__all__ = [
    "PROCEED",
    "Disconnect",
    "FilterServer",
    "Proceed",
    "Reject",
    "Report",
    "Request",
    "Rewrite",
    "Session",
    "Transaction",
    "Verdict",
]
