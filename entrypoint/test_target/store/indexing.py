"""The substring index, which follows behind: a search looks through what is not in it yet."""

# What is put together here are names of tables and columns; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import sqlite3

from entrypoint.test_target.store.removing import INDEXED_TEXT


def index_one(connection: sqlite3.Connection) -> bool:
    """Put the next message into the index; whether there was one. Takes a millisecond for 4 KB."""
    row = connection.execute(
        f"SELECT t.seq, {INDEXED_TEXT} FROM texts t JOIN fields f ON f.seq = t.seq"
        " WHERE t.seq > (SELECT value FROM state WHERE name = 'indexed') ORDER BY t.seq LIMIT 1"
    ).fetchone()
    if row is None:
        return False
    connection.execute("INSERT INTO trigrams (rowid, text) VALUES (?, ?)", row)
    connection.execute("UPDATE state SET value = ? WHERE name = 'indexed'", row[:1])
    return True


def lag(connection: sqlite3.Connection) -> int:
    """How many messages are not in it, those among them that are gone again."""
    row = connection.execute(
        "SELECT coalesce(max(seq), 0) - (SELECT value FROM state WHERE name = 'indexed') FROM texts"
    ).fetchone()
    return max(0, int(row[0]))
