"""The disks that the server writes to: is one full, read-only, or its quota used up?

`problems` is for whoever looks (health); `entrypoint.maintenance.disks` logs it and has mail
delivered again. A file is written to see a quota, which a file system does not tell of.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from entrypoint.files import acting_as
from entrypoint.paths import DATA, SPOOL
from entrypoint.text import printable
from filters.disk_room import Room, room_of

_FULL = {
    errno.ENOSPC: "no space left on its disk",
    errno.EDQUOT: "the disk quota is used up",
}
MAKE_ROOM = "make room, or give the volume a larger disk"
MAKE_WRITABLE = "mount it writable"


def takes_nothing(error: OSError) -> bool:
    """Is the disk full, its quota used up, or is it read-only?"""
    return error.errno == errno.EROFS or error.errno in _FULL


def explained(error: OSError) -> str:
    """Where, what and the cure, on one line."""
    where = "" if error.filename is None else f"{printable(str(error.filename))}: "
    if error.errno == errno.EROFS:
        return f"{where}its disk is read-only; {MAKE_WRITABLE}"
    if error.errno in _FULL:
        return f"{where}{_FULL[error.errno]}; {MAKE_ROOM}"
    return f"{where}{printable(error.strerror or str(error))}"


VMAIL = "vmail"
_GIB = 1024**3
# What is written to see whether it can be: a small mail's worth.
_TRIED = 16 * 1024  # bytes

# What a disk that takes nothing means for its folder.
_MEANS: Mapping[Path, str] = {
    DATA: "mail waits in the queue",
    SPOOL: "new mail is refused with 452",
}


@dataclass(frozen=True)
class Disk:
    """folders: what lies on it. room: what is left. trouble: why it takes nothing; "" if it does.

    cure: what helps.
    """

    folders: tuple[Path, ...]
    room: Room
    trouble: str = ""
    cure: str = ""

    @property
    def problem(self) -> str | None:
        """The trouble, what follows from it, and the cure."""
        if not self.trouble:
            return None
        means = " and ".join(_MEANS[folder] for folder in self.folders if folder in _MEANS)
        return f"{self.trouble}: {means or 'nothing can be written'}; {self.cure}"


def problems(data: Path = DATA, spool: Path = SPOOL, owner: str | None = VMAIL) -> list[str]:
    """What is wrong, a line for each disk. owner: who writes mail, for whom quotas count."""
    found = []
    for each in disks(data, spool, owner):
        if isinstance(each, str):
            found.append(each)
        elif each.problem is not None:
            found.append(each.problem)
    return found


def disks(data: Path = DATA, spool: Path = SPOOL, owner: str | None = VMAIL) -> list[Disk | str]:
    """Each disk once, that of the mail first; a text for one that cannot be looked at."""
    by_device: dict[int, list[Path]] = {}
    found: list[Disk | str] = []
    for folder in (data, spool):
        try:
            by_device.setdefault(folder.stat().st_dev, []).append(folder)
        except OSError as error:
            found.append(explained(error))
    for folders in by_device.values():
        try:
            found.append(_disk(tuple(folders), owner if data in folders else None))
        except OSError as error:
            found.append(explained(error))
    return found


def _disk(folders: tuple[Path, ...], owner: str | None) -> Disk:
    room = room_of(folders[0])
    trouble, cure = assess(folders, room)
    if not trouble and owner is not None:
        trouble, cure = _tried(folders[0] / "mail", owner)
    return Disk(folders, room, trouble, cure)


def assess(folders: tuple[Path, ...], room: Room) -> tuple[str, str]:
    """What is wrong by the room alone, and its cure; "" for nothing."""
    names = " and ".join(map(str, folders))
    if room.read_only:
        return f"the disk of {names} is read-only", MAKE_WRITABLE
    if room.lacks_bytes:
        return f"the disk of {names} is full ({size(room.free)} of {size(room.size)} free)", (
            MAKE_ROOM
        )
    if room.lacks_inodes:
        return (
            f"the disk of {names} is full ({room.free_inodes} of {room.inodes} inodes free)",
            f"remove small files; {MAKE_ROOM}",
        )
    return "", ""


def _tried(folder: Path, owner: str) -> tuple[str, str]:
    """Write as whom mail is written, and remove it again."""
    path = folder / ".signpost-room"
    try:
        with acting_as(owner):
            _try(path)
    except (FileNotFoundError, KeyError):  # nothing has started yet, or not in this image
        return "", ""
    except OSError as error:
        if not takes_nothing(error):
            return "", ""
        what = {
            errno.EDQUOT: "the quota of the disk of {} is used up",
            errno.EROFS: "the disk of {} is read-only",
        }.get(error.errno or 0, "the disk of {} is full")
        cure = MAKE_WRITABLE if error.errno == errno.EROFS else MAKE_ROOM
        return what.format(folder.parent), cure
    return "", ""


def _try(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, bytes(_TRIED))
        finally:
            os.close(descriptor)
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def size(number: int) -> str:
    """Bytes as a person reads them."""
    if number >= _GIB:
        return f"{number / _GIB:.1f} GiB"
    return f"{number / 1024**2:.0f} MiB"
