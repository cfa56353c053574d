"""What a stored message says of its delivery, in fields that the server writes on top.

Of a message that was uploaded a stranger may have written them: who believes one knows that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from entrypoint.junk.account_state import AccountState, DeliveryNote
from entrypoint.junk.digest import header_field

# Nothing that the server writes on top of its Received field is as long.
_TOP = 16 * 1024
_RECEIVED = re.compile(rb"(?im)^received[ \t]*:.*\n(?:[ \t].*(?:\n|\Z))*")
# `from NAME (NAME [ADDRESS])\n\tby NAME (OpenSMTPD) with ESMTP id 6a0f4ad6`: what a client chose
# stands before the line's end (entrypoint/dovecot/queue_id.c).
_QUEUE_ID = re.compile(rb"\n\tby \S* \(OpenSMTPD\) with \S* id ([0-9a-f]{8})\b")


@dataclass(frozen=True)
class DeliveryFields:
    """at: when the message was delivered (Unix time). recipient: the address that it came to, in
    lower case, or "". called_junk: by the account's junk filter. marked_spam: by the filters of
    what comes in.
    """

    at: float | None
    recipient: str
    called_junk: bool
    marked_spam: bool


def delivery_fields(message: bytes) -> DeliveryFields:
    """Of any bytes."""
    mark = _mark(message)
    try:
        at = float(int(mark[0], 16)) if mark else None
    except (ValueError, OverflowError):
        at = None
    return DeliveryFields(
        at=at,
        recipient=_value(message, b"Delivered-To").decode("utf-8", "replace").lower(),
        called_junk=_value(message, b"X-Signpost-Junk").lower().startswith(b"yes"),
        marked_spam=_value(message, b"X-Spam").lower() == b"yes",
    )


def delivery_of(state: AccountState, message: bytes) -> DeliveryNote | None:
    """What was noted when the message came, if it is not too long ago."""
    mark = _mark(message)
    return state.delivery(mark[1].decode("ascii", "replace")) if len(mark) == 2 else None


def queue_id(message: bytes) -> str:
    """smtpd's, of the topmost Received field; "" where that is not smtpd's."""
    header = message[:_TOP].partition(b"\n\n")[0]
    received = _RECEIVED.search(header)
    found = _QUEUE_ID.search(received[0]) if received else None
    return found[1].decode("ascii") if found else ""


def _mark(message: bytes) -> list[bytes]:
    """Time and HMAC, in hexadecimal digits, where `deliver` has written it."""
    return _value(message, b"X-Signpost-Delivered").split()


def _value(message: bytes, name: bytes) -> bytes:
    return header_field(message, name) or b""
