"""What an IMAP server responds (RFC 3501 §7) → folders and messages, as imaplib has parted it.

Pure. Whatever a server sends is hostile: what cannot be here as it is there is left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from entrypoint.text import printable

# RFC 3501 §9: a flag is an atom, a system flag with a backslash before it.
_KEYWORD = re.compile(r"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_LONGEST_NAME = 4096  # bytes of a folder's: one of megabytes would have as many levels
_LONGEST_KEYWORD = 50  # Dovecot's mail_max_keyword_length
_SYSTEM_FLAGS = {"\\answered", "\\flagged", "\\deleted", "\\seen", "\\draft"}
_LIST = re.compile(
    rb'\((?P<flags>[^)]*)\) (?:NIL|"(?P<delimiter>\\?.)") (?P<name>.*)', re.DOTALL | re.IGNORECASE
)


@dataclass(frozen=True)
class OldFolder:
    """name: the bytes that the server has for it. delimiter: "" where it has no hierarchy."""

    name: bytes
    delimiter: str
    flags: frozenset[str]
    subscribed: bool


@dataclass(frozen=True, slots=True)
class OldMessage:
    """One message of a folder; gmail: Gmail's own number of it, the same in every folder."""

    uid: int
    size: int
    flags: tuple[str, ...]
    date: datetime | None
    gmail: int = 0


@dataclass(frozen=True)
class FolderList:
    """All folders. prefix: what the names of a person's own begin with, such as `INBOX.`."""

    folders: tuple[OldFolder, ...]
    prefix: bytes
    unreadable: int


@dataclass(frozen=True)
class MessageList:
    """The messages of a folder. unlisted: how many more it has than it lists."""

    uidvalidity: int
    messages: list[OldMessage]
    unlisted: int


def resp_text(data: Sequence[Any]) -> str:
    """What a server says to a person, with OK or NO."""
    first = data[0] if data else b""
    return printable(first.decode("utf-8", "replace") if isinstance(first, bytes) else "")[:300]


def lines_in(data: Sequence[Any]) -> int:
    """How many folders a LIST has, with those whose lines cannot be read."""
    return sum(isinstance(each, tuple) or not each.startswith(b")") for each in data if each)


def folders_in(data: Sequence[Any], subscribed: set[bytes] | None = None) -> Iterator[OldFolder]:
    """The folders of a LIST or LSUB.

    imaplib has a name that is a literal in a pair: what stood before it, and the name.
    """
    for each in data:
        line = each[0] if isinstance(each, tuple) else each
        match = _LIST.fullmatch(line or b"")
        if match is None:
            continue
        name = each[1] if isinstance(each, tuple) else match["name"]
        if not isinstance(each, tuple) and name.startswith(b'"'):
            name = re.sub(rb"\\(.)", rb"\1", name[1:].removesuffix(b'"'), flags=re.DOTALL)
        delimiter = (match["delimiter"] or b"")[-1:].decode("latin-1")
        flags = frozenset(match["flags"].decode("latin-1").lower().split())
        if 0 < len(name) <= _LONGEST_NAME:
            yield OldFolder(name, delimiter, flags, name in (subscribed or ()))


def message_of(items: dict[bytes, Any]) -> OldMessage | None:
    """A message by what FETCH says of it."""
    uid, size = items.get(b"UID"), items.get(b"RFC822.SIZE", 0)
    if not isinstance(uid, int) or not 0 < uid < 1 << 32 or not isinstance(size, int):
        return None
    flags = tuple(sorted(filter(None, map(_flag, items.get(b"FLAGS") or ()))))
    gmail = items.get(b"X-GM-MSGID", 0)
    return OldMessage(
        uid,
        max(0, size),
        flags,
        _date(items.get(b"INTERNALDATE")),
        gmail if isinstance(gmail, int) else 0,
    )


def _date(date: object) -> datetime | None:
    """The date, if it can be set here: with a year of four digits and an offset below a day."""
    if not isinstance(date, datetime):
        return None
    try:
        date.utcoffset()
    except ValueError:
        return None
    return date if date.year >= 1000 else None


def _flag(flag: object) -> str:
    """The flag, if it can be set here: \\Recent and a server's own system flags cannot."""
    text = flag.decode("latin-1") if isinstance(flag, bytes) else str(flag)
    if text.startswith("\\"):
        return sys.intern(text) if text.lower() in _SYSTEM_FLAGS else ""
    is_keyword = _KEYWORD.fullmatch(text) and len(text) <= _LONGEST_KEYWORD
    return sys.intern(text) if is_keyword else ""  # a million messages have the same few


def content_of(value: object) -> bytes:
    """A message; one that is not sent as a literal may look like a number."""
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode("latin-1", "replace")
