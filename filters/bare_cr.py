"""CRs that end no line. No SMTP client may send one (RFC 5321 §2.3.8), and some programs take it
for a line end: what looks like text to us is a header field, or the end of the message, to them.

So none is passed on. Each becomes a space: were it deleted, a line `.\\r` would become the end of
the message.
"""

from __future__ import annotations

import re

from filters.mailauth.message import Message

# Three microseconds for a message of 4 KB, 23 ms for 27 MB: cheaper than to count CRs and CRLFs.
_BARE_CR = re.compile(rb"\r(?!\n)")
_AT_LINE_START = re.compile(rb"(?:\A|\r\n)\r(?!\n)")


def without_bare_cr(message: bytes) -> bytes:
    """The message with a space for each bare CR; the very same object where there is none."""
    if _BARE_CR.search(message) is None:
        return message
    if b"\0" in message:  # no smtpd passes one on
        return _BARE_CR.sub(b" ", message)
    # A hostile message may hold millions, for each of which the pattern would need a match.
    return message.replace(b"\r\n", b"\0").replace(b"\r", b" ").replace(b"\0", b"\r\n")


def begins_a_header_line(message: Message) -> bool:
    """Whether a line of the header begins with a bare CR: a space there would fold it.

    It would be the end of the field above, which has been verified without it.
    """
    return _AT_LINE_START.search(message.raw, 0, message.body_start) is not None
