"""A filtered message on its way back: what smtpd can take, as data lines.

Bytes in, bytes out; knows nothing of sockets, handlers or messages in hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from filters.smtpd.verdict import Reject
from filters.smtpd.wire import END_OF_MESSAGE, Version, longest_payload

# Bytes of a message that become data lines in one go.
BLOCK = 64 * 1024

# Stands in for a message that smtpd could not take back; it is refused at commit anyway.
PLACEHOLDER = b"Subject: refused\r\n\r\nThis message could not be passed on.\r\n"

_BARE_LF = re.compile(rb"(?<!\r)\n")


def sendable(message: bytes, version: Version) -> tuple[bytes, Reject | None]:
    """The message as smtpd can take it back, and the refusal where it cannot.

    A bare LF in `message` would be a line of the filter protocol of its own; it becomes a line
    end. A NUL would cut its line (smtpd's strings end there): ValueError.
    """
    if b"\0" in message:
        raise ValueError("a NUL in the message would cut its line")
    if message.count(b"\n") != message.count(b"\r\n"):
        message = _BARE_LF.sub(b"\r\n", message)
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    refusal = _too_long(message, version)
    return (message, None) if refusal is None else (PLACEHOLDER, refusal)


def _too_long(message: bytes, version: Version) -> Reject | None:
    limit = longest_payload(version)
    if len(message) <= limit or not _has_longer_line(message, limit):
        return None
    text = f"5.6.0 a line of the message is longer than the {limit} bytes that can be passed on"
    return Reject(554, text)


def _has_longer_line(message: bytes, limit: int) -> bool:
    """Whether a dot-stuffed line is longer than `limit` bytes; linear, and copies nothing."""
    start, size = 0, len(message)
    while size - start > limit:
        # The last line end that still is within reach; if there is none, the line is too long.
        reach = start + limit - (message[start] == 0x2E)
        end = message.rfind(b"\r\n", start, reach + 2)
        if end < 0:
            return True
        start = end + 2
    return False


def data_lines(message: bytes, prefix: bytes) -> Iterator[bytes]:
    """What goes out for a sendable message, in blocks: each line stuffed, behind the prefix."""
    yield from _stuffed(message, prefix)
    yield prefix + END_OF_MESSAGE + b"\n"


def _stuffed(message: bytes, prefix: bytes) -> Iterator[bytes]:
    separator = b"\n" + prefix
    start, size = 0, len(message)
    while start < size:
        end = message.find(b"\r\n", start + BLOCK)
        end = size if end < 0 else end + 2
        block = message[start : end - 2]
        if b"\r\n." in block:
            block = block.replace(b"\r\n.", b"\r\n..")
        first = prefix + b"." if block.startswith(b".") else prefix
        yield first + block.replace(b"\r\n", separator) + b"\n"
        start = end


def in_front(message: bytes, came: bytes, version: Version) -> bytes | None:
    """The lines that were put in front of a message which came from smtpd itself.

    None where more has changed than that, or where it cannot go back so: ask `sendable` then.
    """
    size = len(message) - len(came)
    if size < 0 or not message.endswith(came):
        return None
    head = message[:size]
    if head and (not head.endswith(b"\r\n") or head.count(b"\n") != head.count(b"\r\n")):
        return None
    return None if b"\0" in message or _too_long(message, version) is not None else head


def lines_again(head: bytes, lines: Sequence[bytes], prefix: bytes) -> bytes:
    """What goes out for `head` and then the lines as they came: no search through them again."""
    separator = b"\n" + prefix
    parts = [*_stuffed(head, prefix), prefix, separator.join(lines), separator, END_OF_MESSAGE]
    return b"".join([*parts, b"\n"])
