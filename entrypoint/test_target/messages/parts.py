"""The MIME tree of a message, with bounds: depth, parts, and never an exception."""

from __future__ import annotations

import binascii
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from entrypoint.test_target.messages.content_type import Value, parse_value
from entrypoint.test_target.messages.header import Header, decode_charset, parse_header, split

MOST_DEPTH = 50  # of multiparts within each other; what is deeper is one part as it stands
MOST_PARTS = 2_000
# Bytes that are looked through for boundaries, with those of parts within parts: so many times
# the message, or so many at least. What comes then is taken as it stands.
_MOST_TIMES = 8
_AT_LEAST = 1 << 20
_LF = 0x0A
_REST_OF_LINE = re.compile(rb"(--)?[ \t]*+(?=\r?\n|\Z)")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


@dataclass
class Part:
    """One part. number: as Mailpit counts, 0 is the message, then 1, 2, 1.1 …"""

    number: str
    header: Header
    body: bytes
    children: list[Part] = field(default_factory=list)

    @cached_property
    def type(self) -> Value:
        """RFC 2045 §5.2: text/plain where nothing is said, or nothing that can be read."""
        value = parse_value(self.header.first("Content-Type"))
        return value if "/" in value.word else Value("text/plain", value.parameters)

    @cached_property
    def disposition(self) -> str:
        """ "attachment", "inline", or ""."""
        return self._disposition.word

    @cached_property
    def _disposition(self) -> Value:
        return parse_value(self.header.first("Content-Disposition"))

    @property
    def file_name(self) -> str:
        """ "" is none."""
        return self._disposition.parameters.get("filename") or self.type.parameters.get("name", "")

    @property
    def content_id(self) -> str:
        """Without its brackets."""
        return self.header.first("Content-ID").strip().strip("<>")

    @cached_property
    def content(self) -> bytes:
        """The bytes, decoded as far as that goes (RFC 2045 §6)."""
        encoding = self.header.first("Content-Transfer-Encoding").strip().lower()
        if encoding == "base64":
            return _base64(self.body)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        return self.body

    @property
    def text(self) -> str:
        """The content as text, line ends as LF."""
        charset = self.type.parameters.get("charset", "")
        return decode_charset(self.content, charset).replace("\r\n", "\n").replace("\r", "\n")

    def walk(self) -> Iterator[Part]:
        """Every part, this one first, in the order of the bytes."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            waiting.extend(reversed(part.children))


def parse_parts(raw: bytes) -> Part:
    """The tree of a message."""
    header, body = split(raw)
    root = Part("0", parse_header(header), body)
    waiting, count = deque([(root, 0)]), 1
    left = max(_MOST_TIMES * len(raw), _AT_LEAST)
    while waiting:
        part, depth = waiting.popleft()
        boundary = part.type.parameters.get("boundary", "")
        if not part.type.word.startswith("multipart/") or not boundary or depth == MOST_DEPTH:
            continue
        left -= len(part.body)
        if left < 0:
            break
        prefix = "" if part is root else f"{part.number}."
        for index, child_raw in enumerate(_children(part.body, boundary), 1):
            if count == MOST_PARTS:
                break
            child_header, child_body = split(child_raw)
            child = Part(f"{prefix}{index}", parse_header(child_header), child_body)
            part.children.append(child)
            waiting.append((child, depth + 1))
            count += 1
        # Its bytes are its parts' now: fifty copies of a large message are not held.
        part.body = b""
    return root


def _children(body: bytes, boundary: str) -> Iterator[bytes]:
    """RFC 2046 §5.1.1. A part that nothing ends goes to the end."""
    delimiter = b"--" + boundary.encode("utf-8")
    start: int | None = None
    # bytes.find, not an expression that begins with a line end: newlines alone cost nothing then.
    at = body.find(delimiter)
    while at >= 0:
        rest = _REST_OF_LINE.match(body, at + len(delimiter))
        if rest is None or (at and body[at - 1] != _LF):
            line_end = body.find(b"\n", at)
            at = body.find(delimiter, line_end) if line_end >= 0 else -1
            continue
        if start is not None:
            yield body[start : max(start, _before_line_end(body, at))]
        if rest[1]:
            return
        line_end = body.find(b"\n", rest.end())
        start = len(body) if line_end < 0 else line_end + 1
        at = body.find(delimiter, start)
    if start is not None and start < len(body):
        yield body[start:]


def _before_line_end(body: bytes, at: int) -> int:
    """Where the line end before a line begins: it belongs to the boundary."""
    return at - 2 if body[max(at - 2, 0) : at] == b"\r\n" else at - 1


def _base64(body: bytes) -> bytes:
    letters = _NO_BASE64.sub(b"", body)
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
