"""A mail with reports → their attachments, decoded (RFC 2045, RFC 2046).

Not the standard library's parser: it recurses as deep as a message nests and tries every open
boundary on every line. Here a part is cut out by one search, and depth and number are bounded.
It must not know what is in an attachment.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message as Header

from entrypoint.dmarc_report.error import ReportError
from entrypoint.dmarc_report.unpack import is_packed
from filters.mailauth.message import Message

MOST_DEPTH = 5  # a report in a forwarded mail needs 3
MOST_PARTS = 100
_MOST_VALUE = 2_000  # bytes of a header field that is looked at; parameters cost quadratic time
_TYPES = {
    *("application/gzip", "application/x-gzip", "application/zip", "application/xml"),
    *("application/x-zip-compressed", "application/x-zip", "text/xml"),
}
_NAMES = (".xml", ".gz", ".zip")
_MAIL = (b"from", b"received", b"return-path", b"mime-version", b"content-type", b"message-id")
_NO_MAIL = "give the report's file, or the mail that it came with"


@dataclass(frozen=True)
class Attachment:
    """One attachment: its name as the mail says ("" without one), and its bytes, decoded.

    content: a ReportError where they cannot be decoded.
    """

    name: str
    content: bytes | ReportError


def is_mail(raw: bytes) -> bool:
    """Does this begin like an e-mail message?"""
    start = _crlf(raw[:65_536])
    message = Message(start)
    return bool(message.fields and message.fields[0].key) and any(map(message.named, _MAIL))


def attachments(raw: bytes) -> list[Attachment]:
    """Every attachment that may be a report, in order. Raises ReportError where there is none."""
    found: list[Attachment] = []
    for number, part in enumerate(_leaves(_crlf(raw), 0)):
        if number == MOST_PARTS:
            raise ReportError(f"a mail of more than {MOST_PARTS} parts", _NO_MAIL)
        if attachment := _attachment(part):
            found.append(attachment)
    if not found:
        raise ReportError("a mail without a report (xml, gz or zip) attached to it", _NO_MAIL)
    return found


def _crlf(raw: bytes) -> bytes:
    """Two passes in C: a regular expression would make an object of every line."""
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _leaves(raw: bytes, depth: int) -> Iterator[Message]:
    """The parts that hold no others."""
    if depth > MOST_DEPTH:
        raise ReportError(f"a mail nested deeper than {MOST_DEPTH} levels", _NO_MAIL)
    part = Message(raw)
    header = _header(part)
    kind = header.get_content_type()
    boundary = _parameter(header, "boundary") if kind.startswith("multipart/") else ""
    if boundary:
        for inner in _split(part.body, boundary.encode("utf-8", "surrogateescape")):
            yield from _leaves(inner, depth + 1)
    elif kind == "message/rfc822":
        yield from _leaves(part.body, depth + 1)
    else:
        yield part


def _split(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """RFC 2046 §5.1.1; without a closing delimiter the last part goes on to the end."""
    line = rb"(?:\A|\r\n)--" + re.escape(boundary) + rb"(--)?+[ \t]*+(?=\r\n|\Z)"
    start: int | None = None
    for delimiter in re.finditer(line, body):
        if start is not None:
            yield body[start : delimiter.start()]
        start = delimiter.end() + 2
        if delimiter[1]:
            return
    if start is not None:
        yield body[start:]


def _header(part: Message) -> Header:
    """The fields that say what a part is, for the standard library to read their parameters."""
    header = Header()
    for key in (b"content-type", b"content-disposition", b"content-transfer-encoding"):
        for field in part.named(key)[:1]:
            value = field.value[:_MOST_VALUE].replace(b"\r\n", b"").strip()
            header[key.decode()] = value.decode("utf-8", "surrogateescape")
    return header


def _parameter(header: Header, name: str) -> str:
    try:
        value = header.get_boundary() if name == "boundary" else header.get_filename()
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""  # RFC 2231 as no one writes it
    return value or ""


def _attachment(part: Message) -> Attachment | None:
    header = _header(part)
    name = _parameter(header, "filename")
    encoding = str(header.get("content-transfer-encoding", "")).strip().lower()
    content: bytes | ReportError
    try:
        if encoding == "base64":
            content = binascii.a2b_base64(part.body)
        elif encoding == "quoted-printable":
            content = quopri.decodestring(part.body)
        else:
            content = part.body
    except binascii.Error:
        content = ReportError("the attachment is not base64", "fetch the mail again")
    meant = header.get_content_type() in _TYPES or name.lower().endswith(_NAMES)
    if meant or (isinstance(content, bytes) and is_packed(content)):
        return Attachment(name, content)
    return None
