"""The counters of failed logins in a SQLite file, which one process writes.

`load` puts what is there into a LoginGuard; `snapshot` and `write` take out what has changed. A
file that cannot be read is put aside and begun afresh. Times are Unix seconds.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

from filters.guard.database import open_database, open_to_read
from filters.guard.login_guard import FailureRecord, LoginGuard

_SCHEMA = """
CREATE TABLE IF NOT EXISTS failed (
    network TEXT, login TEXT, points REAL, at REAL, level INTEGER, until REAL,
    PRIMARY KEY (network, login)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trusted (
    network TEXT, login TEXT, at REAL, PRIMARY KEY (network, login)) WITHOUT ROWID;
"""

Row = tuple[str, str, float, float, int, float]
Trust = tuple[str, str, float]
Keys = list[tuple[str, str]]
# Rows to put in their place, and keys whose rows go, of each table.
Snapshot = tuple[list[Row], Keys, list[Trust], Keys]


class BlockStore:
    """The file of one LoginGuard."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # What a write has not managed comes with the next one.
        self._missed: Keys = []
        self._missed_trust: Keys = []

    def load(self, guard: LoginGuard) -> None:
        """Fill an empty guard, the longest quiet first. Raises sqlite3.Error or OSError."""
        with closing(open_to_read(self._path, _SCHEMA)) as database:
            for network, login, *rest in database.execute("SELECT * FROM failed ORDER BY at"):
                guard.load((network, login), FailureRecord(*rest))
            for network, login, at in database.execute("SELECT * FROM trusted ORDER BY at"):
                guard.load_trust((network, login), at)

    def snapshot(self, guard: LoginGuard) -> Snapshot | None:
        """What has changed since the last one that was written; None for nothing."""
        changed = guard.changed.union(self._missed)
        changed_trust = guard.changed_trust.union(self._missed_trust)
        if not changed and not changed_trust:
            return None
        self._missed, self._missed_trust = [], []
        records, trusted = guard.records, guard.trusted
        found: Snapshot = (
            [(*key, *astuple(records[key])) for key in changed if key in records],
            [key for key in changed if key not in records],
            [(*key, trusted[key]) for key in changed_trust if key in trusted],
            [key for key in changed_trust if key not in trusted],
        )
        guard.changed.clear()
        guard.changed_trust.clear()
        return found

    def write(self, snapshot: Snapshot) -> None:
        """Bring the file up to date, in one transaction. Raises sqlite3.Error or OSError."""
        rows, gone, trust, distrust = snapshot
        try:
            self._write(snapshot)
        except (OSError, sqlite3.Error):
            self._missed = [*gone, *((network, login) for network, login, *_ in rows)]
            self._missed_trust = [*distrust, *((network, login) for network, login, _ in trust)]
            raise

    def _write(self, snapshot: Snapshot) -> None:
        rows, gone, trust, distrust = snapshot
        with closing(open_database(self._path, _SCHEMA)) as database, database:
            database.executemany("REPLACE INTO failed VALUES (?, ?, ?, ?, ?, ?)", rows)
            database.executemany("DELETE FROM failed WHERE network = ? AND login = ?", gone)
            database.executemany("REPLACE INTO trusted VALUES (?, ?, ?)", trust)
            database.executemany("DELETE FROM trusted WHERE network = ? AND login = ?", distrust)
