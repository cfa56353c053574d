"""The files that a person or a command changes while the server runs: which have changed, and rest.

It must not know what is in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from filters.watched_file import Stamp, file_stamp

# A file may be half written when its change is seen: it has to rest so long.
SETTLES = 1.0  # seconds


class WatchedFiles:
    """Looks at files when it is asked to. Times are seconds of a clock that only goes on.

    written_whole: those that are replaced in one step when a command says that it has done so.
    """

    def __init__(self, paths: Sequence[Path], written_whole: Sequence[Path] = ()) -> None:
        self._paths, self._whole = paths, frozenset(written_whole)
        self._seen: dict[Path, Stamp | None] = {}
        self._rest: dict[Path, float] = {}
        self._read: dict[Path, Stamp | None] = {}

    def look(self, now: float) -> None:
        """See what has changed."""
        for path in self._paths:
            stamp = file_stamp(path)
            if path in self._seen and self._seen[path] != stamp:
                self._rest[path] = now + SETTLES
            self._seen[path] = stamp

    @property
    def changed(self) -> bool:
        """Is there anything that was not read yet?"""
        return self._seen != self._read

    def rests_at(self, *, requested: bool) -> float:
        """From when on all may be read. requested: by a command, which has written its file."""
        due = (at for path, at in self._rest.items() if not requested or path not in self._whole)
        return max(due, default=0.0)

    def read(self) -> None:
        """All is about to be read: a change from now on is seen by the next look."""
        self._read = dict(self._seen)
