"""A message as bytes: the spans of its header fields, its author, deleting fields.

The message is never parsed and written back; whoever changes it cuts and joins bytes. Lines end
in CRLF; bare CR and 8-bit bytes may stand anywhere. It must not know DNS or any protocol.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from filters.mailauth.author import LONGEST_KNOWN, UnreadableError, mailboxes, quoted, written

# A field ends at a CRLF that no white space follows (RFC 5322 §2.2.3).
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
# Nobody needs as many fields; what follows them is kept as one line that is no field.
_MOST_FIELDS = 10_000
_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+")
# Longer names than this are not remembered.
_LONGEST_KNOWN_NAME = 80


class Field(NamedTuple):
    """One header field and where it stands: raw[start:end], its CRLF included.

    name: the bytes before the colon, as written, white space before the colon included.
    key: the name in lower case without white space; b"" where the line is no header field.
    raw: the whole field; value: everything after the colon, CRLF included.
    """

    name: bytes
    key: bytes
    start: int
    end: int
    raw: bytes

    @property
    def value(self) -> bytes:
        """Everything after the first colon, as written, with the CRLF."""
        return self.raw[len(self.name) + 1 :]


class Message:
    """The fields of a message's header section, and where its body begins.

    fields: from the top, at most 10,000; whole says whether those are all.
    """

    __slots__ = ("_author", "_header_end", "body_start", "fields", "raw", "whole")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._author: Author | None = None  # once it has been asked for
        if raw.startswith(b"\r\n"):
            self._header_end, self.body_start = 0, 2
        else:
            blank = raw.find(b"\r\n\r\n")
            self._header_end = len(raw) if blank < 0 else blank + 2
            self.body_start = len(raw) if blank < 0 else blank + 4
        self.fields: tuple[Field, ...] = tuple(_fields(raw, self._header_end))
        self.whole = len(self.fields) <= _MOST_FIELDS

    @property
    def body(self) -> bytes:
        """The body's bytes, without the empty line before them."""
        return self.raw[self.body_start :]

    def named(self, key: bytes) -> tuple[Field, ...]:
        """Return the fields of this name (lower case), from the top."""
        return tuple(field for field in self.fields if field.key == key)

    def starting(self, names: re.Pattern[bytes]) -> Iterator[Field]:
        """Yield every field whose start the pattern matches, however many fields there are."""
        if self.whole:
            for field in self.fields:
                if names.match(self.raw, field.start, self._header_end):
                    yield field
            return
        for match in names.finditer(self.raw, 0, self._header_end):
            start = match.start()
            if start and self.raw[start - 2 : start] != b"\r\n":
                continue
            boundary = _FIELD_END.search(self.raw, start, self._header_end)
            yield _field(self.raw, start, boundary.end() if boundary else self._header_end)


def _fields(raw: bytes, end: int) -> Iterator[Field]:
    start = 0
    for boundary in islice(_FIELD_END.finditer(raw, 0, end), _MOST_FIELDS):
        yield _field(raw, start, boundary.end())
        start = boundary.end()
    if start < end:
        text = raw[start:end]
        lone = _FIELD_END.search(raw, start, end) is None
        yield _field(raw, start, end) if lone else Field(text, b"", start, end, text)


def _field(raw: bytes, start: int, end: int) -> Field:
    text = raw[start:end]
    colon = text.find(b":")
    if colon < 0:
        return Field(text, b"", start, end, text)
    name = text[:colon]
    key = _known_key(name) if colon <= _LONGEST_KNOWN_NAME else _key(name)
    return Field(name, key, start, end, text)


def _key(name: bytes) -> bytes:
    # `From : x` and `From` folded before its colon are From to some readers, so to us too.
    bare = name.rstrip(b" \t\r\n")
    return bare.lower() if _NAME.fullmatch(bare) else b""


# Mail has few names, and each of them in every message.
_known_key = lru_cache(maxsize=1024)(_key)


def remove(raw: bytes, fields: Iterable[Field]) -> bytes:
    """Return the message without the spans of these fields; every other byte stays."""
    kept: list[bytes] = []
    at = 0
    for field in sorted(fields, key=lambda field: field.start):
        kept.append(raw[at : field.start])
        at = field.end
    kept.append(raw[at:])
    return b"".join(kept)


@dataclass(frozen=True)
class Author:
    """Who the From field says wrote the message.

    domain: lower-case A-labels, or None where no single domain can answer for the message, and
    then reason says why. addresses: every address, as `local@domain`. well_formed: exactly one
    From field, and every reader reads the same in it (several domains are well-formed).
    """

    domain: str | None
    addresses: tuple[str, ...]
    reason: str
    well_formed: bool


def quote_author(message: Message) -> Message:
    """Return the message with its author's name in quotes where it is not clear without them.

    The very same object in nearly all mail. Signatures that cover From break; who changes what is
    passed on has verified before, or signs after.
    """
    if not author(message).well_formed:
        return message
    (field,) = message.named(b"from")
    value = field.value
    clear = quoted(value)
    if clear is value:
        return message
    start = field.start + len(field.name) + 1
    return Message(message.raw[:start] + clear + message.raw[field.end :])


def author(message: Message) -> Author:
    """Return the author of the message (RFC 9989 §4.3: the domain of RFC 5322's From)."""
    if message._author is None:
        message._author = _read_author(message)
    return message._author


# To some readers a bare CR or LF ends a line, and the white space of a first line is none.
_HIDDEN = re.compile(rb"(?:\A[ \t]+|(?<!\r)\n[ \t]*|\r(?!\n)[ \t]*)from[ \t]*:", re.IGNORECASE)


def _hides_a_from(message: Message) -> bool:
    header = message.raw[: message.body_start]
    ends = header.count(b"\r\n")
    if ends == header.count(b"\n") == header.count(b"\r") and header[:1] not in b" \t":
        return False
    return _HIDDEN.search(header) is not None


def _read_author(message: Message) -> Author:
    if not message.whole:
        return Author(None, (), "too many header fields", well_formed=False)
    found = message.named(b"from")
    if len(found) != 1:
        reason = "several From fields" if found else "no From field"
        return Author(None, (), reason, well_formed=False)
    field = found[0]
    if field.name.lower() != b"from":
        return Author(None, (), "white space between From and its colon", well_formed=False)
    try:
        short = len(field.value) <= LONGEST_KNOWN
        read = _known_author(field.value) if short else _author_of(field.value)
    except UnreadableError as unreadable:
        return Author(None, (), str(unreadable), well_formed=False)
    if _hides_a_from(message):
        return Author(None, (), "a second From behind a bare line end", well_formed=False)
    return read


def _author_of(value: bytes) -> Author:
    """Return whom a From field names. Raises UnreadableError."""
    boxes = mailboxes(value)
    addresses = tuple(written(local, domain) for local, domain in boxes)
    domains = {domain for _local, domain in boxes}
    if not boxes:
        return Author(None, (), "no address in the From field", well_formed=False)
    if len(domains) > 1:
        return Author(None, addresses, "addresses of several domains in the From field", True)
    domain = domains.pop()
    reason = "" if domain else "an address literal in the From field"
    return Author(domain, addresses, reason, well_formed=True)


# Whoever writes often writes the same From field.
_known_author = lru_cache(maxsize=1024)(_author_of)
