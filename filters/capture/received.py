"""smtpd's own field on top of what it hands to filters, and what smtpd refuses of a message.

smtpd looks at what comes back from its filters. Nothing of a captured message does, so what smtpd
would have refused is refused here, in its words.
"""

from __future__ import annotations

from filters.smtpd import Reject

_BEGIN = b"Received: "
_DATE = (
    b";\r\n\t"  # a semicolon ends no other line of the field, whoever logged in by whatever name
)
_LONGEST_NAME = 1_022  # of a field, in smtpd's parser
# What smtpd can take back from a filter; production refuses what is longer.
_LONGEST_LINE = 65_485

_MALFORMED = Reject(
    550, "5.7.1 Delivery not authorized, message refused: Message is not RFC 2822 compliant"
)
_LONG_LINE = Reject(
    554,
    f"5.6.0 a line of the message is longer than the {_LONGEST_LINE} bytes that can be passed on",
)


def without_received(message: bytes) -> bytes:
    """The message as the client sent it. smtpd writes the field above every message."""
    if not message.startswith(_BEGIN):
        return message
    date = message.find(_DATE)
    end = message.find(b"\r\n", date + len(_DATE)) if date >= 0 else -1
    return message[end + 2 :] if end >= 0 else message


def reject_as_smtpd(message: bytes) -> Reject | None:
    """Of the message as it came, smtpd's field on top."""
    end = message.find(b"\r\n\r\n")
    header = message if end < 0 else message[:end]
    for line in header.split(b"\r\n"):
        if line[:1] not in (b" ", b"\t", b"") and not 0 <= line.find(b":") <= _LONGEST_NAME:
            return _MALFORMED
    if len(message) > _LONGEST_LINE and _has_long_line(message):
        return _LONG_LINE
    return None


def _has_long_line(message: bytes) -> bool:
    """Each dot that stuffs a line counts."""
    start, size = 0, len(message)
    while size - start > _LONGEST_LINE:
        end = message.rfind(b"\r\n", start, start + _LONGEST_LINE + 2 - (message[start] == 0x2E))
        if end < 0:
            return True
        start = end + 2
    return False
