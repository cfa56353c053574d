"""What an archive takes of the disks, which is asked before anything is written.

It must not know what is in the files.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field

from entrypoint.backup.layout import Volumes
from entrypoint.backup.tar_stream import ArchiveError, MemberHead
from entrypoint.disks import MAKE_ROOM, size
from entrypoint.text import counted

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
            found = os.statvfs(places[names[0]])
            free, free_files = found.f_bavail * found.f_frsize, found.f_favail
            wanted = sum(self.size[name] for name in names)
            files = sum(self.files[name] for name in names)
            where = " and ".join(str(places[name]) for name in names)
            if wanted > free:
                raise ArchiveError(
                    f"it needs {size(wanted)}, and the disk of {where} has {size(free)} free; "
                    f"{MAKE_ROOM}"
                )
            # Some file systems count none.
            if found.f_files and files > free_files:
                raise ArchiveError(
                    f"it has {counted(files, 'file')}, and the disk of {where} has "
                    f"{free_files} inodes free; {MAKE_ROOM}"
                )
