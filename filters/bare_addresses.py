"""Add the domain to addresses without one in From, To and Cc, exactly as smtpd itself would.

smtpd appends `@hostname` to them after the filter (smtp_session.c, `header_domain_append`), which
would break a signature that was made before. Done here first, it finds nothing left to do.
It works on header bytes and knows neither the filter protocol nor DKIM.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from filters.mailauth.message import Message

COMPLETED = frozenset({b"from", b"to", b"cc"})
_SPACE = b" \t\r\n\v\f"
# Bytes of a message that are walked through, at half a microsecond each; longer lists of such
# addresses, which nobody writes, are left to smtpd.
_MOST_WALKED = 262_144
_QUOTED = re.compile(rb'"[^"]*"')


def add_domains(message: Message, hostname: str) -> Message:
    """The message with `@hostname` where a From, To or Cc address has no domain.

    The very same object where none lacks it, as in nearly all mail.
    """
    domain = b"@" + hostname.encode("ascii", "ignore")
    raw = message.raw
    parts, position, left = [], 0, _MOST_WALKED
    for field in message.fields:
        if field.key not in COMPLETED:
            continue
        value = field.value
        if _none_lacks_it(value) or len(value) > left:
            continue
        left -= len(value)
        completed = b",".join(_add_domain(address, domain) for address in _split(value))
        if completed != value:
            parts += [raw[position : field.start], field.name, b":", completed]
            position = field.start + len(field.name) + 1 + len(value)
    return Message(b"".join([*parts, raw[position:]])) if parts else message


def _none_lacks_it(value: bytes) -> bool:
    """Whether that is plain to see, as in nearly all mail: no walk through every byte then."""
    if b"(" in value or b"\\" in value:
        return False
    if b'"' in value:
        value = _QUOTED.sub(b"", value)
        if b'"' in value:
            return False
    return all(b"@" in address or b":" in address for address in value.split(b","))


def _scan(value: bytes) -> Iterator[tuple[int, int, bool, bool, int]]:
    """(index, byte, escaped, quoted, depth of comments) after each byte, as smtpd counts them."""
    escaped = quoted = False
    comment = 0
    for index, char in enumerate(value):
        if char == 0x28 and not escaped and not quoted:  # (
            comment += 1
        if char == 0x22 and not escaped and not comment:  # "
            quoted = not quoted
        if char == 0x29 and not escaped and not quoted and comment:  # )
            comment -= 1
        escaped = char == 0x5C and not escaped and not comment and not quoted
        yield index, char, escaped, quoted, comment


def _split(value: bytes) -> list[bytes]:
    """Cut at the commas that stand outside of quotes and comments."""
    parts, start = [], 0
    for index, char, escaped, quoted, comment in _scan(value):
        if char == 0x2C and not escaped and not quoted and not comment:  # ,
            parts.append(value[start:index])
            start = index + 1
    return [*parts, value[start:]]


def _add_domain(address: bytes, domain: bytes) -> bytes:
    insert = _insertion_point(address)
    return address if insert is None else address[:insert] + domain + address[insert:]


def _insertion_point(address: bytes) -> int | None:
    """Where the domain goes; None where smtpd would leave the address alone."""
    escaped = quoted = False
    comment = bracket = 0
    closing: int | None = None
    last = None
    for index, char, escaped, quoted, comment in _scan(address):
        plain = not escaped and not comment and not quoted
        if char == 0x3C and plain and not bracket:  # <
            bracket += 1
        if char == 0x3E and plain and bracket:  # >
            bracket -= 1
            closing = index
        if plain and char in b"@:":
            return None  # it has a domain, or is a group
        if not comment and char != 0x29 and char not in _SPACE:
            last = index
    if escaped or quoted or comment or bracket or last is None:
        return None
    if closing is None:
        return last + 1
    before = address[:closing].rstrip(_SPACE)
    return None if before.endswith(b"<") else len(before)
