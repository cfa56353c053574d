"""Headers of a tar archive (POSIX.1-2001, pax), written for any `tar` and read most strictly.

Read is what is written here, to the byte: files and folders, with a pax header where a name, a size
or a time needs one. So links, devices, sparse files and every other extension are refused, and no
field can say two things. It must not know what a name means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from entrypoint.backup.layout import Kind
from entrypoint.text import printable

BLOCK = 512
# tar(1) writes twenty blocks at a time.
_RECORD = 20 * BLOCK
_LONGEST_PAX = 16 * BLOCK  # bytes; a name has 4,000 at most
_MOST = 1 << 50  # bytes of a file: a size beyond it is a lie
_READ = 1 << 20
_NAME, _NUMBER = 100, 8**11  # the room that a field has
_PAX = b"pax"
_TYPES: dict[bytes, Kind] = {b"0": "file", b"5": "folder"}
_REFUSED = {
    b"1": "a link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
}


class ArchiveError(Exception):
    """The archive cannot be used; the text says where and why, on one line."""


class Readable(Protocol):
    """What an archive is read from."""

    def read(self, size: int, /) -> bytes:
        """So many bytes or fewer; none at the end."""


@dataclass(frozen=True)
class MemberHead:
    """What stands before a member's content. mtime: Unix seconds."""

    name: str
    kind: Kind
    size: int = 0
    mtime: int = 0


def header(head: MemberHead) -> bytes:
    """The blocks before the content. Owner and mode say nothing: `layout` knows them."""
    name = head.name.encode("utf-8", "surrogateescape")
    if head.kind == "folder":
        name += b"/"
    records = []
    if len(name) > _NAME or not head.name.isascii():
        try:
            name.decode("utf-8")
        except UnicodeDecodeError:
            records.append((b"hdrcharset", b"BINARY"))
        records.append((b"path", name))
    size, mtime = head.size, head.mtime
    if size >= _NUMBER:
        records.append((b"size", b"%d" % size))
        size = 0
    if not 0 <= mtime < _NUMBER:
        records.append((b"mtime", b"%d" % mtime))
        mtime = 0
    kind = next(letter for letter, kind in _TYPES.items() if kind == head.kind)
    block = _block(name[:_NAME], size, mtime, kind)
    if not records:
        return block
    pax = b"".join(_record(*record) for record in records)
    return _block(_PAX, len(pax), 0, b"x") + pax + padding(len(pax)) + block


def padding(size: int) -> bytes:
    """What follows so many bytes, up to the end of their block."""
    return bytes(-size % BLOCK)


def ending(size: int) -> bytes:
    """What ends an archive of so many bytes."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % _RECORD)


def read_head(stream: Readable) -> tuple[MemberHead, bytes] | None:
    """The next header and its bytes; None at the two blocks that end the archive.

    Raises ArchiveError.
    """
    raw = block = exactly(stream, BLOCK)
    if block == bytes(BLOCK):
        if exactly(stream, BLOCK) != bytes(BLOCK):
            raise ArchiveError("a block of zeros between two members")
        return None
    extended: dict[bytes, bytes] = {}
    if block[156:157] == b"x":
        size = _octal(block[124:136])
        if not 0 < size <= _LONGEST_PAX:
            raise ArchiveError(f"a pax header of {size} bytes")
        pax = exactly(stream, size + len(padding(size)))
        block = exactly(stream, BLOCK)
        extended, raw = _extended(pax[:size]), raw + pax + block
    encoded = extended.get(b"path", block[:_NAME].rstrip(b"\0"))
    name = encoded.decode("utf-8", "surrogateescape")
    letter = block[156:157]
    if letter not in _TYPES:
        what = _REFUSED.get(letter, "neither a file nor a folder")
        raise ArchiveError(f"{printable(name)}: {what}, which no backup has")
    size = _integer(extended[b"size"]) if b"size" in extended else _octal(block[124:136])
    mtime = _integer(extended[b"mtime"]) if b"mtime" in extended else _octal(block[136:148])
    kind = _TYPES[letter]
    head = MemberHead(name.removesuffix("/") if kind == "folder" else name, kind, size, mtime)
    if not 0 <= size <= _MOST or abs(mtime) > _MOST or (kind == "folder" and size):
        raise ArchiveError(f"{printable(name)}: no size or time that a file can have")
    if header(head) != raw:
        raise ArchiveError(f"{printable(name)}: no backup has such a header")
    return head, raw


def content(stream: Readable, size: int) -> Iterator[bytes]:
    """The bytes of a member, and past its padding. Raises ArchiveError."""
    left = size
    while left:
        data = stream.read(min(left, _READ))
        if not data:
            raise ArchiveError("it ends in the middle of a file; it was cut off")
        left -= len(data)
        yield data
    if any(exactly(stream, len(padding(size)))):
        raise ArchiveError("something stands between two members")


def exactly(stream: Readable, size: int) -> bytes:
    """So many bytes. Raises ArchiveError."""
    found = b""
    while len(found) < size:
        data = stream.read(size - len(found))
        if not data:
            raise ArchiveError("it ends too early; it was cut off, or is no backup")
        found += data
    return found


def _block(name: bytes, size: int, mtime: int, kind: bytes) -> bytes:
    """A ustar header (POSIX.1-2001, pax, "ustar Interchange Format")."""
    mode = 0o700 if kind == b"5" else 0o600
    fields = (
        name.ljust(_NAME, b"\0")
        + b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, 0, 0, size, mtime)
        + b" " * 8
        + kind
        + bytes(100)
        + b"ustar\x0000"
        + b"root".ljust(32, b"\0") * 2
        + b"%07o\0%07o\0" % (0, 0)
    ).ljust(BLOCK, b"\0")
    return fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE` and a line feed; the length counts itself."""
    rest = b" %b=%b\n" % (key, value)
    length = len(rest) + len(b"%d" % len(rest))
    length = len(rest) + len(b"%d" % length)
    return b"%d%b" % (length, rest)


def _extended(pax: bytes) -> dict[bytes, bytes]:
    """The opposite of several. Whatever is read wrongly is not as `header` writes it."""
    found: dict[bytes, bytes] = {}
    while pax:
        length = pax[:8].partition(b" ")[0]
        if not length.isdigit() or not len(length) + 3 < int(length) <= len(pax):
            raise ArchiveError("a pax header that cannot be read")
        record, pax = pax[len(length) + 1 : int(length)], pax[int(length) :]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        found[key] = value
    return found


def _octal(field: bytes) -> int:
    try:
        return int(field.rstrip(b"\0 ") or b"0", 8)
    except ValueError:
        raise ArchiveError("no header where one should be; it is damaged, or no backup") from None


def _integer(text: bytes) -> int:
    try:
        return int(text[:32])
    except ValueError:
        raise ArchiveError("a pax header with a number that is none") from None
