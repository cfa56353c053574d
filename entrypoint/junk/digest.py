"""By what a stored message is known again: a digest without what is added on its way here.

A mail program that uploads a message anew may end its lines otherwise and write fields of its own
into it; what the server has written on top of it depends on the delivery.
"""

from __future__ import annotations

import hashlib
import re

# The server's own, and what mail programs and old mailbox formats keep in a message.
_NOT_COUNTED = re.compile(
    rb"(?:Return-Path|Delivered-To|X-Original-To|X-Signpost-[^\s:]*|X-Mozilla-[^\s:]*"
    rb"|Status|X-Status|X-Keywords|X-UID|X-TUID|X-OfflineIMAP[^\s:]*)[ \t]*:",
    re.IGNORECASE,
)
# What a delivery writes on top.
_OF_DELIVERY = (b"X-Signpost-Delivered", b"Delivered-To", b"X-Signpost-Junk")
_DIGESTED = 1_000_000
READ = 1_200_000
# Each row of CRs is looked at once: at each of its places, a megabyte of them would take minutes.
_LINE_END = re.compile(rb"(?<!\r)\r+\n")
_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")


def without_own_fields(message: bytes) -> bytes:
    """The message as it came, with LF at the end of each line."""
    text = _LINE_END.sub(b"\n", message).rstrip(b"\r\n")
    text += b"\n" if text else b""
    parts = []
    at = 0
    while at < len(text) and text[at : at + 1] != b"\n":
        # A line that begins with white space belongs to the field above, if there is one.
        field = _FIELD.match(text, at)
        if field is None:
            break
        if not _NOT_COUNTED.match(text, at):
            parts.append(field[0])
        at = field.end()
    return b"".join((*parts, text[at:]))


def digest(message: bytes) -> bytes:
    """SHA-256 of the first megabyte of what `without_own_fields` leaves.

    What is in front of that differs for any two messages: who took them and when. READ bytes of a
    message are enough, whatever ends its lines and is added to it.
    """
    return hashlib.sha256(without_own_fields(message)[:_DIGESTED]).digest()


def delivery_digest(message: bytes) -> bytes:
    """The same of one delivery: a copy of it has the same one, and another delivery its own.

    A stranger may write to two addresses of an account, one of which is filed in Junk.
    """
    top = (header_field(message, name) or b"" for name in _OF_DELIVERY)
    return hashlib.sha256(b"\n".join((digest(message), *top))).digest()


def header_field(message: bytes, name: bytes) -> bytes | None:
    """The value of the topmost field of this name."""
    at = 0
    start = name.lower() + b":"
    while (field := _FIELD.match(message, at)) and field[0].strip(b"\r\n"):
        if field[0].lower().startswith(start):
            return b" ".join(field[0][len(start) :].split())
        at = field.end()
    return None
