"""Date and Message-ID, which a submission server adds where a client has left them out.

RFC 6409 §8.2 and §8.3. smtpd adds them on port 587, but behind the filter, where they are not
signed, and on 465 not at all. It must not know who has sent the message.
"""

from __future__ import annotations

import secrets
from email.utils import formatdate

from filters.mailauth.message import Message


def with_missing_fields(message: Message, hostname: str, now: float) -> Message:
    """The message with what is missing on top; the very same object where nothing is.

    hostname: the server's. now: Unix time. A header of too many fields is left as it is.
    """
    added = b""
    if not message.named(b"date"):
        added += f"Date: {formatdate(now, localtime=True)}\r\n".encode("ascii")
    if not message.named(b"message-id"):
        # RFC 5322 §3.6.4: unique for ever, and in a domain of its own maker.
        identity = f"{int(now):x}.{secrets.token_hex(12)}@{hostname}"
        added += f"Message-ID: <{identity}>\r\n".encode("ascii", "backslashreplace")
    return Message(added + message.raw) if added and message.whole else message
