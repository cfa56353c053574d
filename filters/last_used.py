"""When each password was last used: a small JSON file that one process writes.

    {"alice@example.org": {"": 1795591560, "phone": 1795590000}}

Seconds since the epoch. It is replaced as a whole, so a reader never sees half of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from filters.credentials import LoginTable
from filters.json_file import parse_json, read_state, write_json
from filters.write_behind import WriteBehind

WRITE_EVERY = 60.0  # seconds


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
    """What `filters.logins` keeps of it, without passwords that are no longer in the table.

    It is written behind the work; a file that cannot be read is begun afresh.
    """

    def __init__(self, path: Path, table: Callable[[], LoginTable]) -> None:
        self._path = path
        self._table = table
        self._changed = False
        self._times = read_state(path, _times) or {}
        self._writing = WriteBehind(path, self._snapshot, self._write, seconds=WRITE_EVERY)

    def note(self, login: str, name: str, when: int) -> None:
        """This password has just been right. Costs no I/O."""
        self._times.setdefault(login, {})[name] = when
        self._changed = True
        self._writing.changed()

    def finish(self) -> None:
        """Write what is not written yet."""
        self._writing.finish()

    def _snapshot(self) -> Mapping[str, Mapping[str, int]] | None:
        if not self._changed:
            return None
        self._changed = False
        self._times = _kept(self._times, self._table())
        return {login: dict(times) for login, times in self._times.items()}

    def _write(self, times: Mapping[str, Mapping[str, int]]) -> None:
        try:
            write_json(self._path, times)
        except OSError:
            self._changed = True  # the next write has it
            raise


def _kept(times: Mapping[str, Mapping[str, int]], table: LoginTable) -> dict[str, dict[str, int]]:
    kept = {}
    for login, by_name in times.items():
        names = {password.name for password in table.passwords_of(login.encode())}
        if left := {name: when for name, when in by_name.items() if name in names}:
            kept[login] = left
    return kept
