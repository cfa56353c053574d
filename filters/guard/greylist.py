"""Greylisting (RFC 6647): who comes for the first time has to come again.

A mail server tries again after some minutes, most programs that send spam do not. Remembered are
the client's network (or, where SPF passes, the domain that vouches for it: a large provider comes
from another host each time), the envelope sender's domain and the recipient. Who has come again is
let in at once from then on, with mail for anybody. Everything is kept as a digest of fixed length.
It must not know SMTP. Times are Unix seconds.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from filters.guard.database import open_database

# A minute (RFC 6647 §5): programs that repeat themselves do it within seconds, mail servers after
# some minutes, and a person waits for every second more.
WAIT = 60
RETRY_WITHIN = 86_400  # RFC 6647 §5
REMEMBERED = 36 * 86_400  # a monthly letter is never new
MOST_ROWS = 200_000  # of each table; 50 bytes a row

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (triplet BLOB PRIMARY KEY, first INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS allowed (pair BLOB PRIMARY KEY, last INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_first ON seen (first);
CREATE INDEX IF NOT EXISTS allowed_last ON allowed (last);
"""


class Greylist:
    """The file. Every method may raise sqlite3.Error or OSError, and belongs to one thread."""

    def __init__(self, path: Path, wait: int = WAIT) -> None:
        self._path = path
        self._wait = wait
        self._database: sqlite3.Connection | None = None

    def is_known(self, client: str, domain: str, now: int) -> bool:
        """Whether the client has come again before with mail from this domain."""
        pair = _digest(client, domain)
        found = self._open().execute("SELECT last FROM allowed WHERE pair = ?", (pair,)).fetchone()
        if found is None or found[0] + REMEMBERED < now:
            return False
        # Good to the day: mail that is let in costs no write.
        if now - found[0] > 86_400:
            self._write("UPDATE allowed SET last = ? WHERE pair = ?", (now, pair))
        return True

    def wait(self, client: str, domain: str, recipient: str, now: int) -> int:
        """Seconds that it has to wait: 0 for a client that has come again."""
        triplet = _digest(client, domain, recipient)
        found = self._open().execute("SELECT first FROM seen WHERE triplet = ?", (triplet,))
        first = (found.fetchone() or (None,))[0]
        if first is None or not first <= now <= first + RETRY_WITHIN:
            self._write("REPLACE INTO seen VALUES (?, ?)", (triplet, now))
            return self._wait
        if now < first + self._wait:
            return int(first + self._wait - now)
        self._write("REPLACE INTO allowed VALUES (?, ?)", (_digest(client, domain), now))
        self._write("DELETE FROM seen WHERE triplet = ?", (triplet,))
        return 0

    def sweep(self, now: int, most: int = MOST_ROWS) -> None:
        """Forget what says nothing any more, and the oldest of what is too much."""
        self._write("DELETE FROM seen WHERE first < ?", (now - RETRY_WITHIN,))
        self._write("DELETE FROM allowed WHERE last < ?", (now - REMEMBERED,))
        for table, key, column in (("seen", "triplet", "first"), ("allowed", "pair", "last")):
            self._write(
                f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} "  # noqa: S608
                f"ORDER BY {column} DESC LIMIT -1 OFFSET ?)",
                (most,),
            )

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        if self._database is not None:
            with closing(self._database):
                self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = open_database(self._path, _SCHEMA)
        return self._database

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        database = self._open()
        with database:
            database.execute(statement, values)


def _digest(*parts: str) -> bytes:
    text = "\0".join(parts).lower()
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).digest()
