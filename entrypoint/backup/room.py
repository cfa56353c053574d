"""What an archive takes of the disks, which is asked before anything is written.

It must not know what is in the files.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from entrypoint.backup.layout import Volumes
from entrypoint.backup.tar_stream import ArchiveError, MemberHead
from entrypoint.disks import MAKE_ROOM, size
from entrypoint.text import counted
from filters.disk_room import room_of

_BLOCK = 4096  # bytes, of which each file takes whole ones


@dataclass
class NeededRoom:
    """By volume: `data` or `spool`."""

    size: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)

    def add(self, head: MemberHead) -> None:
        """One more file or folder."""
        volume = head.name.partition("/")[0]
        blocks = 1 if head.kind == "folder" else -(-head.size // _BLOCK)
        self.size[volume] += blocks * _BLOCK
        self.files[volume] += 1

    def check(self, volumes: Volumes) -> None:
        """Raises ArchiveError for a disk that is too small, and OSError."""
        by_disk: dict[int, list[str]] = {}
        places = {"data": volumes.data, "spool": volumes.spool}
        for name, path in places.items():
            by_disk.setdefault(path.stat().st_dev, []).append(name)
        for names in by_disk.values():
            room = room_of(places[names[0]])
            wanted = sum(self.size[name] for name in names)
            files = sum(self.files[name] for name in names)
            where = " and ".join(str(places[name]) for name in names)
            if wanted > room.free:
                raise ArchiveError(
                    f"it needs {size(wanted)}, and the disk of {where} has {size(room.free)} free; "
                    f"{MAKE_ROOM}"
                )
            # Some file systems count none.
            if room.inodes and files > room.free_inodes:
                raise ArchiveError(
                    f"it has {counted(files, 'file')}, and the disk of {where} has "
                    f"{room.free_inodes} inodes free; {MAKE_ROOM}"
                )
