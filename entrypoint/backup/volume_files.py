"""Files of a volume, opened within their folders: no link is followed, only files are read.

The programs of other users go on in these folders meanwhile, and root reads them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from entrypoint.backup.archive import Member, member
from entrypoint.backup.tar_stream import MemberHead
from entrypoint.text import printable

PIECE = 1 << 20
_LONGEST = 64 << 20  # bytes of a file that is read at once
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class BackupError(Exception):
    """There can be no whole archive; the text says why, on one line."""


@contextmanager
def folder(name: str, parent: int | None = None) -> Iterator[int]:
    """A folder in another. Raises OSError."""
    descriptor = os.open(name, _FOLDER, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def names_in(descriptor: int) -> list[str]:
    """What is in a folder, in order."""
    return sorted(os.listdir(descriptor))


def is_link(name: str, parent: int) -> bool:
    """Is it a symbolic link? Raises OSError."""
    return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def is_folder(name: str, parent: int) -> bool:
    """Is it a folder, and no link to one? Raises OSError."""
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def open_file(name: str, parent: int) -> int:
    """Raises OSError, also where it is neither file nor folder."""
    descriptor = os.open(name, _FILE, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file")
    return descriptor


class _Statx(ctypes.Structure):
    """The fields of Linux's struct statx that are wanted (statx(2))."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("_between", ctypes.c_uint8 * 76),
        ("seconds", ctypes.c_int64),
        ("nanoseconds", ctypes.c_uint32),
        ("_rest", ctypes.c_uint8 * 164),
    )


_EMPTY_PATH, _BIRTH = 0x1000, 0x800


def born(descriptor: int) -> float | None:
    """When a file was made, whatever its names and times are; None where the disk does not say."""
    found = _Statx()
    failed = ctypes.CDLL(None).statx(descriptor, b"", _EMPTY_PATH, _BIRTH, ctypes.byref(found))
    if failed or not found.mask & _BIRTH:
        return None
    return float(found.seconds + found.nanoseconds / 1e9)


def small_file(path: str, name: str, parent: int) -> Member:
    """A file that is read at once, so that it is whole whatever becomes of it. Raises OSError."""
    with os.fdopen(open_file(name, parent), "rb") as stream:
        content = stream.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise OSError(errno.EFBIG, "it is too large for what it should be")
        return member(path, content, int(os.fstat(stream.fileno()).st_mtime))


def large_file(path: str, descriptor: int) -> Member:
    """A file that nobody changes, read as it is taken; the descriptor is closed then.

    Raises OSError where it cannot be read at all.
    """
    status = os.fstat(descriptor)
    first = os.read(descriptor, min(status.st_size, PIECE))
    head = MemberHead(path, "file", status.st_size, int(status.st_mtime))
    return Member(head, _pieces(path, descriptor, first, status.st_size))


def _pieces(path: str, descriptor: int, first: bytes, size: int) -> Iterator[bytes]:
    try:
        left, piece = size - len(first), first
        yield piece
        while left:
            try:
                piece = os.read(descriptor, min(left, PIECE))
            except OSError as error:  # it names no file
                raise BackupError(f"{printable(path)}: {error.strerror}") from None
            if not piece:
                raise BackupError(f"{printable(path)}: it became shorter while it was read")
            left -= len(piece)
            yield piece
    finally:
        os.close(descriptor)
