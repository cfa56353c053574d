"""How much room a disk has, and when it counts as full: bytes, inodes, and whether it may be
written at all.

It must not know what lies on the disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filters.smtpd import Reject, Request, Session

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


_LOOK_EVERY = 1.0  # seconds
# RFC 3463 §3.4: X.3.1 is "Mail system full".
FULL = Reject(452, "4.3.1 there is no room in the mail queue, please try again later")


class QueueRoom:
    """Looks at the disk of `spool`, at most once a second."""

    def __init__(self, spool: Path, room: Callable[[Path], Room] = room_of) -> None:
        self._spool, self._room = spool, room
        self._looked = float("-inf")
        self._full = False

    def reject_insufficient_storage(self, session: Session, request: Request) -> Reject | None:
        """At MAIL: nothing more fits."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            self._looked, self._full = now, self._is_full()
        return FULL if self._full else None

    def _is_full(self) -> bool:
        try:
            room = self._room(self._spool)
        except OSError:  # smtpd finds out by itself
            return False
        return room.is_full or room.read_only
