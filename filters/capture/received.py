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
# smtpd's parser has a buffer for names, that of the field before still in it, and one for the
# whole value of the fields that it looks into.
_NAMES = 1_024
_VALUE = 65_536
_LOOKED_INTO = frozenset({b"from", b"to", b"cc"})
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
    if _is_malformed(message if end < 0 else message[:end]):
        return _MALFORMED
    if len(message) > _LONGEST_LINE and _has_long_line(message):
        return _LONG_LINE
    return None


def _is_malformed(header: bytes) -> bool:
    before, value = 0, 0  # bytes in the two buffers
    looked_into = False
    for line in header.split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            value += 1 + len(line)
        elif line:
            size = line.find(b":")
            if size < 0 or before + size + 1 >= _NAMES:
                return True
            before, value = size + 1, len(line) - size - 1
            looked_into = line[:size].lower() in _LOOKED_INTO
        if looked_into and value + 1 >= _VALUE:
            return True
    return False


def _has_long_line(message: bytes) -> bool:
    """Each dot that stuffs a line counts."""
    start, size = 0, len(message)
    while size - start > _LONGEST_LINE:
        end = message.rfind(b"\r\n", start, start + _LONGEST_LINE + 2 - (message[start] == 0x2E))
        if end < 0:
            return True
        start = end + 2
    return False
