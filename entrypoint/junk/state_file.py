"""A small SQLite file in an account's home, that several programs use at once.

It must not know the tables.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

_BUSY = 1.0  # seconds
# Of a database that is broken.
CURE = "restore it from a backup, or begin afresh with `signpost junk forget`"
_LOG_PAGES = 100  # before what is in the log goes into the file
_PAGE = 4096  # bytes; SQLite's own size
_NUMBERS = "CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, value NUMERIC NOT NULL);"


class StateError(Exception):
    """The state of an account cannot be used; where, why and the cure."""


class BusyStateError(StateError):
    """Others use it all the time."""


class DamagedStateError(StateError):
    """It is no such database, or one of another version. path: the file."""

    def __init__(self, path: Path, error: sqlite3.Error) -> None:
        super().__init__(f"{path}: {error}; {CURE}")
        self.path = path


class StateFile:
    """The file, opened, and made in its folder where there is none; a home is never made.

    keep_log: closing it does not wait for the disk, and the log stays beside the file, until it is
    long.
    Every method raises StateError.
    """

    def __init__(self, path: Path, schema: str, *, keep_log: bool = False) -> None:
        self.path, self._schema, self._keep_log = path, _NUMBERS + schema, keep_log
        try:
            with contextlib.suppress(FileExistsError):
                path.parent.mkdir(mode=0o700)
            with contextlib.suppress(FileExistsError):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                os.close(os.open(path, flags, 0o600))
            self._database = _opened(path, self._schema)
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        # A log that stays is not begun anew by the next who opens: that all of it is in the file
        # was known in memory. It would grow for ever, and each opening reads all of it.
        configure = getattr(self._database, "setconfig", None)  # Python before 3.12 never keeps it
        if self._keep_log and configure is not None and not self._has_long_log():
            configure(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)  # type: ignore[attr-defined]
        self._database.close()

    def _has_long_log(self) -> bool:
        try:
            return Path(f"{self.path}-wal").stat().st_size > _LOG_PAGES * _PAGE
        except OSError:
            return False

    @contextmanager
    def changing(self) -> Iterator[None]:
        """All changes inside, or none; they are on the disk afterwards."""
        if self._database.in_transaction:
            yield
            return
        self.do("BEGIN IMMEDIATE")
        try:
            yield
            self.do("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise

    def drop_oldest(self, table: str, most: int) -> None:
        """Leave the newest rows, and about as many as may stay."""
        rows = self.rows(f"SELECT max(rowid) - min(rowid) FROM {table}")  # noqa: S608
        if (rows[0][0] or 0) < most:  # they are looked through when there may be too many only
            return
        self.do(
            f"DELETE FROM {table} WHERE rowid IN"  # noqa: S608
            f" (SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
            most,
        )

    def empty(self) -> bool:
        """Delete all that the file says, and overwrite it; whether there was anything.

        The tables are made anew: they may be another version's.
        """
        self.do("PRAGMA secure_delete = ON")
        with self.changing():
            tables = self.rows(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            found = any(self.has(f"SELECT 1 FROM {name} LIMIT 1") for (name,) in tables)  # noqa: S608
            for (name,) in tables:
                self.do(f"DROP TABLE {name}")
            for statement in self._schema.split(";"):
                self.do(statement)
        # Who writes at that moment keeps the file its size.
        with contextlib.suppress(StateError):
            self.do("VACUUM")
            self.do("PRAGMA wal_checkpoint(TRUNCATE)")
        return found

    def number(self, name: str) -> float | int | None:
        """A number that is stored under a name."""
        for (value,) in self.rows("SELECT value FROM numbers WHERE name = ?", name):
            return value  # type: ignore[no-any-return]
        return None

    def set_number(self, name: str, value: float | None) -> None:
        """None: there is no such number any more."""
        if value is None:
            self.do("DELETE FROM numbers WHERE name = ?", name)
        else:
            self.do("INSERT OR REPLACE INTO numbers VALUES (?, ?)", name, value)

    def has(self, query: str, *values: Any) -> bool:
        """Whether the query finds anything."""
        return bool(self.rows(query, *values))

    def rows(self, query: str, *values: Any) -> list[Any]:
        """All that the query finds."""
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def do(self, statement: str, *values: Any) -> int:
        """How many rows the statement has changed."""
        try:
            return self._database.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def do_many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """The statement once for each."""
        try:
            self._database.executemany(statement, values)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError | sqlite3.Error) -> StateError:
        if isinstance(error, OSError):
            return StateError(f"{self.path}: {error.strerror}")
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what SQLite says in detail
        if code == sqlite3.SQLITE_BUSY:
            return BusyStateError(f"{self.path}: {error}")
        # Of the statements here none is wrong in itself: other tables are.
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
            return StateError(f"{self.path}: {error}{why_unusable(self.path)}")  # a full disk
        return DamagedStateError(self.path, error)


def why_unusable(path: Path) -> str:
    """What SQLite does not say of a file that it cannot open, with the cure; "" for all else."""
    try:
        status = path.lstat()
    except OSError:
        return ""
    if not stat.S_ISREG(status.st_mode):
        return f": it is no file; {CURE}"
    if status.st_uid != os.geteuid():
        return f": it belongs to user {status.st_uid}; give it to `vmail` with `chown`"
    return ""


def _opened(path: Path, schema: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    try:
        # With a log, who reads and who writes do not wait for each other. A crash of a program
        # loses nothing; one of the machine may lose the last seconds.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        database.executescript(schema)
    except BaseException:
        database.close()
        raise
    return database
