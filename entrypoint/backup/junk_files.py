"""What an account's junk filter has learned: two databases that belong together.

They are copied under the lock of whoever learns: a lesson is in both or in neither then. The lock
is waited for a moment only; a lesson between two copies costs that one lesson at most.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from entrypoint.backup.archive import Member, member
from entrypoint.backup.layout import is_derived, place_of
from entrypoint.backup.notes import BackupNotes
from entrypoint.backup.state_files import changed, database_copy
from entrypoint.backup.tar_stream import MemberHead
from entrypoint.backup.volume_files import folder, names_in, open_file
from entrypoint.files import has_lock

JUNK = "junk"
_LOCK = "lock"
_LOCKED_WITHIN = 3.0  # seconds; a lesson takes some hundredths


def junk_members(path: str, where: Path, home: int, notes: BackupNotes) -> Iterator[Member]:
    """The folder `junk` of a home, and what belongs there.

    path: the home's name in the archive. where: its path. Raises OSError where the folder cannot
    be opened.
    """
    inner = f"{path}/{JUNK}"
    with folder(JUNK, home) as descriptor:
        yield Member(MemberHead(inner, "folder"))
        found: list[Member] = []
        with _quiet(descriptor):
            for name in names_in(descriptor):
                if (
                    copy := _copied(f"{inner}/{name}", where / JUNK, name, descriptor, notes)
                ) is not None:
                    found.append(copy)
        yield from found


def _copied(path: str, where: Path, name: str, parent: int, notes: BackupNotes) -> Member | None:
    if is_derived(path):
        return None
    place = place_of(path)
    if place is None or not place.database:
        notes.left.append(path)
        return None
    try:
        os.close(open_file(name, parent))  # no link, and nothing but a file
        return member(path, database_copy(where / name, place), changed(name, parent))
    except FileNotFoundError:
        return None
    except (OSError, sqlite3.Error) as error:
        notes.failed(path, error)
        return None


@contextmanager
def _quiet(parent: int) -> Iterator[None]:
    """Nobody learns meanwhile, if the lock is to be had."""
    try:
        lock = open_file(_LOCK, parent)
    except OSError:  # nobody has learned yet
        yield
        return
    try:
        has_lock(lock, _LOCKED_WITHIN)
        yield
    finally:
        os.close(lock)
