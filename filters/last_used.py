"""When each password was last used: a small JSON file that one process writes.

    {"alice@example.org": {"": 1795591560, "phone": 1795590000}}

Seconds since the epoch. It is replaced as a whole, so a reader never sees half of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from filters.credentials import LoginBook
from filters.json_file import parse_json, read_state, write_json
from filters.log_throttle import LogThrottle

log = logging.getLogger(__name__)


def read_last_used(path: Path) -> dict[str, dict[str, int]]:
    """By login and by the password's name; empty where there is no file yet. Raises ValueError."""
    try:
        return parse_json(path.read_text("utf-8"), _times)
    except FileNotFoundError:
        return {}


def _times(found: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    return {
        login: {name: int(when) for name, when in times.items()} for login, times in found.items()
    }


class LastUsed:
    """What `filters.logins` keeps of it; a file that cannot be read is begun afresh."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failing = LogThrottle(log)
        self.changed = False
        self._times = read_state(path, _times) or {}

    def note(self, login: str, name: str, when: int) -> None:
        """This password has just been right. Costs no I/O."""
        self._times.setdefault(login, {})[name] = when
        self.changed = True

    def write(self, book: LoginBook) -> None:
        """Replace the file, without passwords that are no longer in the book. Never raises."""
        self.put(self.take(book))

    def take(self, book: LoginBook) -> Mapping[str, Mapping[str, int]]:
        """What `put` is to write: a copy, so that a thread may, while more is noted."""
        self.changed = False
        self._times = _kept(self._times, book)
        return {login: dict(times) for login, times in self._times.items()}

    def put(self, times: Mapping[str, Mapping[str, int]]) -> None:
        """Replace the file. Never raises; may wait for a slow disk."""
        try:
            write_json(self._path, times)
        except OSError as error:
            self.changed = True  # the next time has it
            self._failing.error(
                "%s: the times of last use are not written: %s",
                self._path,
                error.strerror,
                cause=error.strerror,
            )
        else:
            self._failing.recovered("%s: written again", self._path)


def _kept(times: Mapping[str, Mapping[str, int]], book: LoginBook) -> dict[str, dict[str, int]]:
    kept = {}
    for login, by_name in times.items():
        names = {password.name for password in book.passwords_of(login.encode())}
        if left := {name: when for name, when in by_name.items() if name in names}:
            kept[login] = left
    return kept
