"""What is neither mail nor queue: keys, certificates, secrets, accounts, what was learned.

All of it is small, and read at once under the locks of those who change it: keys and their state
fit together. It must not know what a file says.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import quote

from entrypoint.backup.archive import Member, member
from entrypoint.backup.held import HELD
from entrypoint.backup.layout import LINK, Place, Volumes, is_derived, place_of
from entrypoint.backup.notes import BackupNotes
from entrypoint.backup.tar_stream import MemberHead
from entrypoint.backup.volume_files import (
    folder,
    is_folder,
    is_link,
    names_in,
    small_file,
)
from entrypoint.files import acting_as, locked

# These have their own modules.
_ELSEWHERE = ("data/mail", "spool/queue", f"spool/{HELD}")
# The links before what they point to: certbot writes the files first.
_FIRST = "live"
# Whoever writes to a database takes milliseconds.
_UNLOCKED_WITHIN = 3.0  # seconds


def state_members(volumes: Volumes, notes: BackupNotes) -> list[Member]:
    """Every such file. Raises OSError where a lock is not to be had."""
    with ExitStack() as locks:
        for name in ("dkim", "accounts"):
            if (volumes.data / name).is_dir():
                locks.enter_context(locked(volumes.data / name / ".lock"))
        found: list[Member] = []
        for name, top in (("data", volumes.data), ("spool", volumes.spool)):
            with folder(str(top)) as descriptor:
                found += _below(name, top, descriptor, notes)
    notes.taken["other"] += sum(each.head.kind == "file" for each in found)
    return found


def _below(path: str, where: Path, descriptor: int, notes: BackupNotes) -> Iterator[Member]:
    for name in sorted(names_in(descriptor), key=lambda name: (name != _FIRST, name)):
        inner = f"{path}/{name}"
        if inner in _ELSEWHERE or is_derived(inner):
            continue
        place = place_of(inner)
        try:
            if is_folder(name, descriptor):
                if place is None or "folder" not in place.kinds:
                    notes.left.append(inner)
                    continue
                yield Member(MemberHead(inner, "folder"))
                with folder(name, descriptor) as within:
                    yield from _below(inner, where / name, within, notes)
            else:
                yield from _file(inner, where, name, descriptor, notes)
        except FileNotFoundError:  # removed meanwhile
            continue


def _file(
    path: str, where: Path, name: str, descriptor: int, notes: BackupNotes
) -> Iterator[Member]:
    place = place_of(path)
    try:
        if is_link(name, descriptor):
            if (found := link_member(path, name, descriptor)) is None:
                notes.left.append(path)
            else:
                yield found
        elif place is None or "file" not in place.kinds:
            notes.left.append(path)
        elif place.database:
            yield member(path, database_copy(where / name, place), changed(name, descriptor))
        else:
            yield small_file(path, name, descriptor)
    except FileNotFoundError:
        raise
    except (OSError, sqlite3.Error) as error:
        notes.failed(path, error)


def link_member(path: str, name: str, parent: int) -> Member | None:
    """A link of those that belong there, as the file that says where to. Raises OSError."""
    place = place_of(path + LINK)
    target = os.readlink(name, dir_fd=parent)
    if place is None or place.link is None or not place.link.fullmatch(target):
        return None
    return member(path + LINK, target.encode("utf-8", "surrogateescape"))


def changed(name: str, parent: int) -> int:
    """When a file was. Raises OSError."""
    return int(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mtime)


def database_copy(path: Path, place: Place) -> bytes:
    """The database as one file, whoever writes to it. Raises sqlite3.Error and OSError.

    It is opened as its owner: SQLite makes files beside it, which root must not own.
    """
    uri = f"file:{quote(str(path.absolute()))}"
    with acting_as(place.owner), closing(sqlite3.connect(":memory:")) as copy:
        try:
            _copy(f"{uri}?mode=rw", copy)
        except sqlite3.OperationalError:
            # The disk takes nothing: as the last clean close left it.
            _copy(f"{uri}?mode=ro&immutable=1", copy)
        if copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise OSError(errno.EIO, "the database is damaged")
        return copy.serialize()


def _copy(uri: str, copy: sqlite3.Connection) -> None:
    """`backup` alone would try a locked database for ever, whatever timeout it was opened with."""
    end = time.monotonic() + _UNLOCKED_WITHIN

    def look(status: int, *_: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() >= end:
            raise OSError(errno.EBUSY, "another program has it locked")

    with closing(sqlite3.connect(uri, uri=True, timeout=_UNLOCKED_WITHIN)) as database:
        database.backup(copy, progress=look)
