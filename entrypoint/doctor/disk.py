"""Is there room for mail: bytes and inodes of a file system?"""

from __future__ import annotations

from pathlib import Path

from entrypoint.disks import MAKE_ROOM, MAKE_WRITABLE, size
from entrypoint.doctor.finding import Finding, Status
from filters.disk_room import Room, room_of

_GIB = 1024**3
_MESSAGES = 5  # so many of the largest messages must fit at least
# Below this share AND this number there is a warning: a tenth of a large disk is plenty.
_LOW_SHARE, _LOW_BYTES, _LOW_INODES = 0.10, 10 * _GIB, 100_000
_LEAST_INODES = 1_000


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
    cure = MAKE_ROOM

    def finding(status: Status, cure: str = "") -> Finding:
        free = f"{path}: {size(room.free)} of {size(room.size)} are free"
        inodes = f", {room.free_inodes} of {room.inodes} inodes" if room.inodes else ""
        return Finding("disk", None, status, free + inodes, cure, str(path))

    if room.read_only:
        return Finding("disk", None, "fail", f"{path} is read-only", MAKE_WRITABLE, str(path))
    if room.free < _MESSAGES * largest_message:
        return finding("fail", cure)
    if room.inodes and room.free_inodes < _LEAST_INODES:
        return finding("fail", f"remove small files; {cure}")
    if room.free < min(_LOW_SHARE * room.size, _LOW_BYTES):
        return finding("warn", cure)
    if room.inodes and room.free_inodes < min(_LOW_SHARE * room.inodes, _LOW_INODES):
        return finding("warn", f"remove small files; {cure}")
    return finding("ok")
