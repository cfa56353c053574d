"""Is there room for mail: bytes and inodes of a file system?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from entrypoint.doctor.finding import Finding, Status

_GIB = 1024**3
_MESSAGES = 5  # so many of the largest messages must fit at least
# Below this share AND this number there is a warning: a tenth of a large disk is plenty.
_LOW_SHARE, _LOW_BYTES, _LOW_INODES = 0.10, 10 * _GIB, 100_000
_LEAST_INODES = 1_000


@dataclass(frozen=True)
class Room:
    """What is there and what is left for others than root; inodes 0: none are counted."""

    size: int
    free: int
    inodes: int
    free_inodes: int


def room_of(path: Path) -> Room:
    """Ask the file system. Raises OSError."""
    found = os.statvfs(path)
    return Room(
        found.f_blocks * found.f_frsize,
        found.f_bavail * found.f_frsize,
        found.f_files,
        found.f_favail,
    )


def check_disk(path: Path, largest_message: int) -> Finding:
    """largest_message: bytes."""
    try:
        room = room_of(path)
    except OSError as error:
        return Finding(
            "disk", None, "fail", f"{path}: {error.strerror}", "mount a volume there", str(path)
        )
    return judge_room(path, room, largest_message)


def judge_room(path: Path, room: Room, largest_message: int) -> Finding:
    """The same, for what is known of the room."""
    cure = "make room, or give the volume a larger disk"

    def finding(status: Status, cure: str = "") -> Finding:
        free = f"{path}: {_bytes(room.free)} of {_bytes(room.size)} are free"
        inodes = f", {room.free_inodes} of {room.inodes} inodes" if room.inodes else ""
        return Finding("disk", None, status, free + inodes, cure, str(path))

    if room.free < _MESSAGES * largest_message:
        return finding("fail", cure)
    if room.inodes and room.free_inodes < _LEAST_INODES:
        return finding("fail", f"remove small files; {cure}")
    if room.free < min(_LOW_SHARE * room.size, _LOW_BYTES):
        return finding("warn", cure)
    if room.inodes and room.free_inodes < min(_LOW_SHARE * room.inodes, _LOW_INODES):
        return finding("warn", f"remove small files; {cure}")
    return finding("ok")


def _bytes(number: int) -> str:
    if number >= _GIB:
        return f"{number / _GIB:.1f} GiB"
    return f"{number / 1024**2:.0f} MiB"
