"""How much room a disk has, and when it counts as full: bytes, inodes, and whether it may be
written at all.

It must not know what lies on the disk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# A disk counts as full before nothing at all fits: deleting mail, too, takes a little room for the
# new indexes. Of a small disk it is a share.
_LEAST_BYTES, _LEAST_INODES = 4 * 1024**2, 500
_LEAST_SHARE = 1 / 20


@dataclass(frozen=True)
class Room:
    """What is there and what is left for others than root; inodes 0: none are counted."""

    size: int
    free: int
    inodes: int
    free_inodes: int
    read_only: bool = False

    @property
    def is_full(self) -> bool:
        """Is there too little left for mail?"""
        return self.lacks_bytes or self.lacks_inodes

    @property
    def lacks_bytes(self) -> bool:
        """Is there too little space?"""
        return self.free < min(_LEAST_BYTES, self.size * _LEAST_SHARE)

    @property
    def lacks_inodes(self) -> bool:
        """Are there too few inodes for new files?"""
        return self.free_inodes < min(_LEAST_INODES, self.inodes * _LEAST_SHARE)


def room_of(path: Path) -> Room:
    """Ask the file system. Raises OSError."""
    found = os.statvfs(path)
    return Room(
        found.f_blocks * found.f_frsize,
        found.f_bavail * found.f_frsize,
        found.f_files,
        found.f_favail,
        bool(found.f_flag & os.ST_RDONLY),
    )
