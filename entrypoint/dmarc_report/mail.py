"""A mail with reports → their attachments, decoded (RFC 2045, RFC 2046); an mbox → its mails.

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
from itertools import islice

from entrypoint.dmarc_report.error import ReportError
from entrypoint.dmarc_report.unpack import is_markup, is_packed
from filters.mailauth.message import Message

MOST_DEPTH = 5  # a report in a forwarded mail needs 3
MOST_PARTS = 100
_MOST_VALUE = 2_000  # bytes of a header field that is looked at; parameters cost quadratic time
_TYPES = {
    *("application/gzip", "application/x-gzip", "application/zip", "application/xml"),
    *("application/x-zip-compressed", "application/x-zip", "text/xml"),
    *("application/tlsrpt+gzip", "application/tlsrpt+json", "application/json"),
}
_NAMES = (".xml", ".gz", ".zip", ".json")
# RFC 4155: the line that an mbox has before each mail, and its quoted form.
_FROM_LINE = re.compile(rb"\A>?From [^\r\n]{0,1000}\r?\n")
_NEXT_MAIL = re.compile(rb"\n\r?\n(?=From [^\r\n]{1,1000}\r?\n[!-9;-~]{1,76}:)")
_BLANK = re.compile(rb"\r\n([ \t]*+)\r\n")
# A comment (RFC 5322 §3.2.2), or a quoted string, in which none stands.
_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|\([^()]*+\)')
# Exim's failure report has no part for programs.
_IN_WORDS = b"failed the published DMARC policy"
_MAIL = (b"from", b"received", b"return-path", b"mime-version", b"content-type", b"message-id")
_NO_MAIL = "give the report's file, or the mail that it came with"


@dataclass(frozen=True)
class Attachment:
    """One attachment: its name as the mail says ("" without one), and its bytes, decoded.

    content: a ReportError where they cannot be decoded.
    """

    name: str
    content: bytes | ReportError


@dataclass(frozen=True)
class FailedMail:
    """What a failure report says of one message (RFC 6591 §3), and as much of it as it shows.

    report: the fields of message/feedback-report, or the words of a reporter without.
    """

    report: bytes | ReportError
    original: bytes


def mails(raw: bytes) -> Iterator[bytes]:
    """The mails of an mbox, which begins with its From line; any other file is one mail."""
    start = 0
    if _FROM_LINE.match(raw):
        for between in _NEXT_MAIL.finditer(raw):
            yield raw[start : between.end()]
            start = between.end()
    yield raw[start:]


def is_mail(raw: bytes) -> bool:
    """Does this begin like an e-mail message?"""
    message = _part(_crlf(raw[:65_536]))
    return bool(message.fields and message.fields[0].key) and any(map(message.named, _MAIL))


def attachments(raw: bytes) -> list[Attachment | FailedMail]:
    """Every attachment that may be a report, in order. Raises ReportError where there is none."""
    found: list[Attachment | FailedMail] = []
    for number, part in enumerate(_leaves(_crlf(raw), 0)):
        if number == MOST_PARTS:
            raise ReportError(f"a mail of more than {MOST_PARTS} parts", _NO_MAIL)
        attachment = part if isinstance(part, FailedMail) else _attachment(part)
        if attachment:
            found.append(attachment)
    if not found:
        raise ReportError("a mail without a report (xml, json, gz or zip) attached to it", _NO_MAIL)
    return found


def _crlf(raw: bytes) -> bytes:
    """Two passes in C: a regular expression would make an object of every line."""
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _part(raw: bytes) -> Message:
    """The first line that holds nothing, or nothing but white space, ends the header."""
    raw = _FROM_LINE.sub(b"", raw)
    blank = _BLANK.search(raw)
    if blank and blank[1]:
        raw = raw[: blank.start()] + b"\r\n\r\n" + raw[blank.end() :]
    return Message(raw)


def _leaves(raw: bytes, depth: int) -> Iterator[Message | FailedMail]:
    """The parts that hold no others. What a failure report is about is no part to look into."""
    if depth > MOST_DEPTH:
        raise ReportError(f"a mail nested deeper than {MOST_DEPTH} levels", _NO_MAIL)
    part = _part(raw)
    header = _header(part)
    kind = header.get_content_type()
    boundary = _parameter(header, "boundary") if kind.startswith("multipart/") else ""
    if boundary:
        inner = list(islice(_split(part.body, boundary.encode("utf-8", "replace")), MOST_PARTS + 1))
        failed, others = _failed(inner)
        if failed:
            yield failed
        for raw_part in others:
            yield from _leaves(raw_part, depth + 1)
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
            header[key.decode()] = _bare(value.decode("utf-8", "replace"))
    return header


def _bare(value: str) -> str:
    """The value without comments, which may nest."""
    for _ in range(5):
        value = _COMMENT.sub(lambda match: match[0] if match[0][0] == '"' else " ", value)
    return value.strip()


def _failed(parts: list[bytes]) -> tuple[FailedMail | None, list[bytes]]:
    """The failure report that parts of one multipart make, if they do, and the other parts."""
    report: bytes | ReportError | None = None
    original = b""
    others = []
    for raw in parts:
        part = _part(raw)
        kind = _header(part).get_content_type()
        if kind == "message/feedback-report" and report is None:
            report = _decoded(part)
        elif kind in ("message/rfc822", "message/global", "text/rfc822-headers") and not original:
            content = _decoded(part)
            original = b"" if isinstance(content, ReportError) else content
        else:
            others.append(raw)
    return (None, parts) if report is None else (FailedMail(report, original), others)


def _parameter(header: Header, name: str) -> str:
    try:
        value = header.get_boundary() if name == "boundary" else header.get_filename()
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""  # RFC 2231 as no one writes it
    return value or ""


def _attachment(part: Message) -> Attachment | FailedMail | None:
    header = _header(part)
    kind = header.get_content_type()
    name = _parameter(header, "filename")
    content = _decoded(part)
    if kind == "message/feedback-report":
        return FailedMail(content, b"")
    if kind in _TYPES or name.lower().endswith(_NAMES):
        return Attachment(name, content)
    if isinstance(content, bytes):
        if is_packed(content) or (is_markup(content) and b"<feedback" in content[:10_000]):
            return Attachment(name, content)
        if kind == "text/plain" and _IN_WORDS in content[:10_000]:
            return FailedMail(content, b"")
    return None


def _decoded(part: Message) -> bytes | ReportError:
    field = str(_header(part).get("content-transfer-encoding", ""))
    encoding = re.search(r"[a-z0-9-]+", field.lower())
    try:
        if encoding and encoding[0] == "base64":
            return _base64(part.body)
        if encoding and encoding[0] == "quoted-printable":
            return quopri.decodestring(part.body)
    except binascii.Error:
        return ReportError("the attachment is not base64", "fetch the mail again")
    return part.body


def _base64(body: bytes) -> bytes:
    """Without the padding at its end, too, which a few leave out."""
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:
        return binascii.a2b_base64(body + b"==")
