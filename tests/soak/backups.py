"""An archive of `signpost backup`: which numbers are in it."""

from __future__ import annotations

import tarfile
from pathlib import Path

from .numbered import numbers


class Backup:
    """One that is not encrypted."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def numbers(self, run: str) -> set[int]:
        """Those of all messages, of mailboxes and of the queue."""
        found: set[int] = set()
        with tarfile.open(self._file, "r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None and ("/Maildir/" in member.name or "spool/" in member.name):
                    found |= numbers(run, content.read())
        return found
