"""A message → the bytes of a recipient's copy, as production's delivery writes it.

What stands on top is written by Dovecot's LMTP there (RFC 5321, 4.4). Not here are the mark by
which production knows mail that comes back, and smtpd's own Received.
"""

from __future__ import annotations

import re

# Of strangers: what only the last server writes, and what only production's delivery writes.
_NOT_THEIRS = re.compile(
    rb"^(?:Return-Path|X-Signpost-Returned)[ \t]*:.*\n(?:[ \t].*\n)*", re.IGNORECASE | re.MULTILINE
)
_END_OF_HEADER = re.compile(rb"^\n", re.MULTILINE)


def copy_of(content: bytes, sender: str, recipient: str, original: str = "") -> bytes:
    """original: the address that an alias was written to, or ""."""
    text = content.replace(b"\r\n", b"\n")
    if not text.endswith(b"\n"):
        text += b"\n"
    end = _END_OF_HEADER.search(text)
    at = end.start() if end else len(text)
    top = f"Return-Path: <{_line(sender)}>\nDelivered-To: {_line(recipient)}\n"
    if original:
        top += f"X-Original-To: {_line(original)}\n"
    return top.encode("utf-8", "surrogateescape") + _NOT_THEIRS.sub(b"", text[:at]) + text[at:]


def sizes(copy: bytes) -> str:
    """What Dovecot puts into a file's name, and need not read the file for then."""
    lines = copy.count(b"\n")
    return f",S={len(copy)},W={len(copy) + lines}"


def _line(address: str) -> str:
    return "".join(character for character in address if character not in "\r\n\0")
