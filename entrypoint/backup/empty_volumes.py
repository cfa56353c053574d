"""Volumes that a restore may write to: empty ones, and those in which one was cut off.

A mark, RESTORE, is the first that is written and the last that goes. With it a start is refused and
a restore begins anew; nothing else was ever written there. Before it there is a lock, for a large
archive is read for an hour while the volumes are empty still. Empty is what has no file but the
mark and the empty folder lost+found, which a new file system has.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from entrypoint.backup.layout import Volumes
from entrypoint.config.problems import VolumeError
from entrypoint.files import naming, sync_folder

MARK = "RESTORE"
_UNFINISHED, _WRITTEN = b"unfinished\n", b"written\n"
_OF_NEW = "lost+found"


def refuse_unfinished(volumes: Volumes = Volumes()) -> None:  # noqa: B008 -- a frozen value
    """Where a restore is at work, or was cut off, nothing may start: raises VolumeError.

    One that had written all is brought to its end here. Raises OSError.
    """
    _refuse_during_restore(volumes)
    if _mark(volumes.data) == _WRITTEN:
        finish(volumes)
    errors = [
        f"{folder}: `signpost restore` was not finished here; run it again with the same file, or "
        "remove the volume"
        for folder in (volumes.data, volumes.spool)
        if _mark(folder) is not None
    ]
    if errors:
        raise VolumeError(errors)


def _refuse_during_restore(volumes: Volumes) -> None:
    for path in _both(volumes):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # no volume, and a start makes the folder
            continue
        try:
            if not _lock(descriptor, fcntl.LOCK_SH):
                raise VolumeError(
                    [f"{path}: `signpost restore` is at work here; start once it has ended"]
                )
        finally:
            os.close(descriptor)


@contextmanager
def claimed(volumes: Volumes) -> Iterator[None]:
    """Both are for one restore alone, and are empty or those of one that was cut off.

    Nothing is written here. Raises VolumeError with every reason, and OSError.
    """
    descriptors = [os.open(each, os.O_RDONLY | os.O_DIRECTORY) for each in _both(volumes)]
    try:
        for path, descriptor in zip(_both(volumes), descriptors, strict=True):
            if not _lock(descriptor, fcntl.LOCK_EX):
                raise VolumeError([f"{path}: another restore is at work here"])
        _refuse_what_is_not_empty(volumes)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    """Is nobody else in the way?"""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network's file system, which has no such lock
        pass
    return True


def _refuse_what_is_not_empty(volumes: Volumes) -> None:
    errors = [
        f"{path}: not empty, and a restore replaces nothing; give it a new volume"
        for path in _both(volumes)
        if _mark(path) is None and _names(path)
    ]
    if errors:
        raise VolumeError(errors)


def begun(volumes: Volumes) -> bool:
    """Was a restore cut off here? Raises OSError."""
    return any(_mark(path) is not None for path in _both(volumes))


def begin(volumes: Volumes) -> None:
    """Mark both, and remove what a restore before has left. Raises OSError.

    What somebody else has written since they were claimed is not removed: raises VolumeError.
    """
    _refuse_what_is_not_empty(volumes)
    for path in _both(volumes):
        _set_mark(path, _UNFINISHED)
    for path in _both(volumes):
        for name in _names(path):
            inner = path / name
            if inner.is_dir() and not inner.is_symlink():
                shutil.rmtree(inner)
            else:
                inner.unlink()


def finish(volumes: Volumes) -> None:
    """All is written, to the disks, too: take the marks away. Raises OSError.

    Whoever is cut off in between has this done by the next start.
    """
    _set_mark(volumes.data, _WRITTEN)
    for path in (volumes.spool, volumes.data):
        (path / MARK).unlink(missing_ok=True)
        sync_folder(path)


def _both(volumes: Volumes) -> tuple[Path, Path]:
    return volumes.data, volumes.spool


def _names(path: Path) -> list[str]:
    """What is there besides the mark and an empty lost+found."""
    names = {each.name for each in path.iterdir()} - {MARK}
    new = path / _OF_NEW
    if _OF_NEW in names and new.is_dir() and not any(new.iterdir()):
        names.discard(_OF_NEW)
    return sorted(names)


def _mark(path: Path) -> bytes | None:
    try:
        return (path / MARK).read_bytes()
    except FileNotFoundError:
        return None


def _set_mark(path: Path, text: bytes) -> None:
    """In place: a disk that is full by then has no room for a second file."""
    descriptor = os.open(path / MARK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        with naming(path / MARK):
            os.pwrite(descriptor, text, 0)
            os.ftruncate(descriptor, len(text))
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path)
