"""Files as a person has them → the messages in them, and what is none, one line each.

FILE is one message, an mbox, a Maildir's folder, or a folder of messages. Nothing is read whole but
one message at a time. Within a folder no link is followed, for it may lie among vmail's mail and
root reads it. It must not know what is learned.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from entrypoint.disks import explained
from entrypoint.text import counted, printable

STDIN = "-"
MOST = 64 << 20  # bytes of a message; with more it is no mail
_PIECE = 1 << 20
_HEADER = 64 << 10  # bytes, in which a field of mail has to come
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# RFC 4155; Thunderbird and others quote no line of the text that begins so, hence the lines around.
_FROM_LINE = re.compile(rb"From [^\r\n]+\r?\n")
_QUOTED = re.compile(rb"^>(?=>*From )", re.MULTILINE)
# The flag of a Maildir's message that waits to be removed.
_DELETED = re.compile(r":2,[A-Za-z]*T[A-Za-z]*\Z")
# Thunderbird leaves what was moved or deleted in the file until the folder is compacted, with bit 3
# of its status. The fields above that are its own: what a sender wrote stands below.
_EXPUNGED = re.compile(
    rb"(?:X-(?:Account-Key|UIDL):[^\n]*\n)*X-Mozilla-Status: [0-9A-Fa-f]{3}[89A-Fa-f]\r?\n"
)
_EXPUNGED_WITHIN = 10  # lines
_FIELD = re.compile(rb"([!-9;-~]{1,76})[ \t]*:")
_OF_MAIL = {
    *(b"from", b"received", b"return-path", b"date", b"subject", b"message-id", b"to"),
    *(b"mime-version", b"delivered-to"),
}
_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")
_KINDS = "give a message, an mbox, a Maildir's folder or a folder of messages"


@dataclass(frozen=True)
class Letter:
    """A message, and where it stood."""

    place: str
    content: bytes


@dataclass(frozen=True)
class NoLetter:
    """What is left out, why, and the cure; safe to show."""

    text: str


def label(name: str) -> str:
    """A FILE as errors name it."""
    return "standard input" if name == STDIN else printable(name)


def letters(name: str, stdin: BinaryIO) -> Iterator[Letter | NoLetter]:
    """Everything in a file, in its order; `-` is standard input. Nothing is raised."""
    shown = label(name)
    try:
        if name == STDIN:
            yield from _of_stream(shown, stdin)
        elif Path(name).is_dir():
            yield from _of_folder(shown, Path(name))
        else:
            # A link that is named is meant.
            with _opened(os.open(name, _FILE & ~os.O_NOFOLLOW)) as stream:
                yield from _of_stream(shown, stream)
    except OSError as error:
        yield _unreadable(shown, error)
    except ValueError:  # a NUL
        yield NoLetter(f"{shown}: no name of a file; {_KINDS}")


def _opened(descriptor: int) -> BinaryIO:
    """Raises OSError for what is no file; nothing waits for a pipe's other end."""
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file")
    return os.fdopen(descriptor, "rb", _PIECE)


# -- folders -------------------------------------------------------------------------------------


def _of_folder(label: str, folder: Path) -> Iterator[Letter | NoLetter]:
    """Each file is a message, or an mbox; in a Maildir those of `cur` and `new`."""
    found, folders = False, 0
    with _folders(folder) as opened:
        for where, within in opened.items():
            for name in sorted(os.listdir(within)):  # noqa: PTH208 -- a descriptor
                if name.startswith(".") or _DELETED.search(name):
                    continue
                place = f"{label.rstrip('/')}/{where}{printable(name)}"
                try:
                    descriptor = os.open(name, _FILE, dir_fd=within)
                    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                        os.close(descriptor)
                        folders += 1
                        continue
                    found = True
                    with _opened(descriptor) as stream:
                        yield from _of_stream(place, stream)
                except FileNotFoundError:  # read, moved or removed meanwhile, as mail is
                    continue
                except OSError as error:
                    yield _unreadable(place, error)
    if folders:
        yield NoLetter(f"{label}: {counted(folders, 'folder')} in it left out; name those meant")
    elif not found:
        yield NoLetter(f"{label}: there is no message in it; {_KINDS}")


@contextmanager
def _folders(folder: Path) -> Iterator[dict[str, int]]:
    """A Maildir's `cur/` and `new/`, or the folder itself as "", opened. Raises OSError."""
    opened: dict[str, int] = {}
    with ExitStack() as close:
        top = os.open(folder, _FILE & ~os.O_NOFOLLOW)  # a link that is named is meant
        close.callback(os.close, top)
        for name in ("cur", "new"):
            if (folder / name).is_dir() and not (folder / name).is_symlink():
                opened[f"{name}/"] = os.open(name, _FILE, dir_fd=top)
                close.callback(os.close, opened[f"{name}/"])
        yield opened or {"": top}


def _unreadable(place: str, error: OSError) -> NoLetter:
    if error.errno == errno.ELOOP:
        return NoLetter(f"{place}: a link, which is not followed; name what it points to")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        cure = "give one from outside through standard input (`-` and `<FILE`), a folder by a mount"
        return NoLetter(f"{place}: there is no such file in the container; {cure}")
    error.filename = None
    return NoLetter(f"{place}: cannot be read: {explained(error)}")


# -- one message, or an mbox ---------------------------------------------------------------------


def _of_stream(label: str, stream: BinaryIO) -> Iterator[Letter | NoLetter]:
    first = _first_line(stream)
    if not first:
        yield NoLetter(f"{label}: it is empty")
    elif first.startswith(_PACKED):
        yield NoLetter(f"{label}: a compressed file; unpack it first")
    elif _FROM_LINE.match(first):
        yield from _of_mbox(label, stream)
    elif not _FIELD.match(first):
        yield NoLetter(f"{label}: no mail, for it begins with no header field; {_KINDS}")
    else:
        content = first + stream.read(MOST + 1)
        yield _checked(label, content, too_long=len(content) > MOST)


def _first_line(stream: BinaryIO) -> bytes:
    """The first that is not blank, without a byte order mark; b"" where there is none."""
    for _ in range(1000):
        line = stream.readline(_PIECE)
        if bare := line.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"):
            return bare
        if not line:
            break
    return b""


def _of_mbox(label: str, stream: BinaryIO) -> Iterator[Letter | NoLetter]:
    number, gathered, found = 1, _Gathered(), False
    line_before, lines = b"\n", _lines(stream)
    line = next(lines, b"")
    while line:
        following = next(lines, b"")
        begins = (
            not line_before.strip(b"\r\n")
            and _FROM_LINE.fullmatch(line) is not None
            and _FIELD.match(following) is not None
        )
        if begins:
            if not gathered.expunged():
                found = True
                yield gathered.letter(f"{label}: message {number}")
            number, gathered = number + 1, _Gathered()
        else:
            gathered.add(line)
        line_before, line = line, following
    if not gathered.expunged():
        yield gathered.letter(f"{label}: message {number}")
    elif not found:
        yield NoLetter(f"{label}: every message in it is deleted; nothing is learned from those")


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(_PIECE):
        yield line


class _Gathered:
    """One message of an mbox; what is beyond the limit is counted only."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, line: bytes) -> None:
        self._size += len(line)
        if self._size <= MOST:
            self._lines.append(line)
        else:
            self._lines.clear()

    def expunged(self) -> bool:
        """Moved or deleted in Thunderbird."""
        return _EXPUNGED.match(b"".join(self._lines[:_EXPUNGED_WITHIN])) is not None

    def letter(self, place: str) -> Letter | NoLetter:
        content = _QUOTED.sub(b"", b"".join(self._lines))
        # The line that parts it from the next one.
        for end in (b"\r\n", b"\n"):
            if content.endswith(end * 2):
                content = content[: -len(end)]
                break
        return _checked(place, content, too_long=self._size > MOST)


def _checked(place: str, content: bytes, *, too_long: bool) -> Letter | NoLetter:
    if too_long:
        return NoLetter(
            f"{place}: larger than {MOST >> 20} MiB, which is not learned; leave it out"
        )
    if not _is_mail(content):
        return NoLetter(f"{place}: no mail, for its header has no field of mail; {_KINDS}")
    return Letter(place, content)


def _is_mail(content: bytes) -> bool:
    """Does it begin with header fields, one of which mail has?"""
    for line in content[:_HEADER].splitlines():
        if line[:1] in (b" ", b"\t"):
            continue
        field = _FIELD.match(line)
        if field is None:
            return False
        if field[1].lower() in _OF_MAIL:
            return True
    return False
