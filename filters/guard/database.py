"""A small SQLite file of state that one process writes and that may be lost.

It must not know the tables.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from urllib.parse import quote

log = logging.getLogger(__name__)


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """The database with its tables; one that is damaged is put aside for a new one.

    It may be used in another thread than this. Raises sqlite3.Error or OSError.
    """
    try:
        return _opened(path, schema)
    except sqlite3.OperationalError:  # a full disk, a folder that may not be written
        raise
    except sqlite3.DatabaseError as error:
        log.error("%s: begun afresh, the old one is beside it as .damaged: %s", path, error)
        path.replace(path.with_name(f"{path.name}.damaged"))
        for left in ("-wal", "-shm"):
            path.with_name(f"{path.name}{left}").unlink(missing_ok=True)
        return _opened(path, schema)


def open_to_read(path: Path, schema: str) -> sqlite3.Connection:
    """The same; where nothing can be written, the database as its last clean close left it."""
    try:
        return open_database(path, schema)
    except sqlite3.OperationalError:
        if not path.is_file():
            raise
    # Immutable: WAL mode makes files even to read.
    name = quote(str(path.absolute()))
    return sqlite3.connect(f"file:{name}?mode=ro&immutable=1", uri=True, check_same_thread=False)


def _opened(path: Path, schema: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=1.0, check_same_thread=False)
    try:
        # A crash of this process loses nothing; one of the machine may lose the last seconds.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(schema)
    except BaseException:
        database.close()
        raise
    return database
