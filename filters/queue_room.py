"""Refuses mail that the queue has no room for: 452 at MAIL, before smtpd would have to fail.

smtpd itself answers 421 when it cannot write, and what it writes then is the last that the disk
takes. It must not know who sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from filters.disk_room import Room, room_of
from filters.smtpd import Reject, Request, Session, Verdict

_LOOK_EVERY = 1.0  # seconds
# RFC 3463 §3.4: X.3.1 is "Mail system full".
FULL = Reject(452, "4.3.1 there is no room in the mail queue, please try again later")


class QueueRoom:
    """Looks at the disk of `spool`, at most once a second."""

    def __init__(self, spool: Path, room: Callable[[Path], Room] = room_of) -> None:
        self._spool, self._room = spool, room
        self._looked = float("-inf")
        self._full = False

    def refuse_mail(self, session: Session, request: Request) -> Verdict | None:
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
