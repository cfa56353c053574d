"""Which accounts there are now: the list that `deliver` reads, too."""

from __future__ import annotations

import logging
from pathlib import Path

from entrypoint.paths import RUN

log = logging.getLogger(__name__)
MAILBOXES = RUN / "mailboxes"


class MailboxList:
    """The file, read again when it is another one."""

    def __init__(self, path: Path = MAILBOXES) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._accounts: frozenset[str] = frozenset()

    def accounts(self) -> frozenset[str]:
        """Their addresses; none while the list cannot be read."""
        try:
            status = self._path.stat()
            stamp = status.st_ino, status.st_mtime_ns, status.st_size
            if stamp != self._stamp:
                self._accounts = frozenset(self._path.read_text().split())
                self._stamp = stamp
        except (OSError, UnicodeDecodeError) as error:
            if self._accounts or self._stamp is None:
                log.warning("%s: %s", self._path, error)
            self._stamp, self._accounts = (0, 0, 0), frozenset()
        return self._accounts
