"""Deleting messages, and what is done about it afterwards, in small steps."""

# What is put together here are names of tables and columns; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import sqlite3

from entrypoint.test_target.store.tagging import Parameters, forget_unused_tags

# What the index holds of a message: it forgets it only when told the same again.
INDEXED_TEXT = "t.text || char(10) || f.message_id || char(10) || f.subject"
_TABLES = ("summaries", "bodies", "recipients", "message_tags", "deliveries")
_PAGES = 256  # that go back to the file system in one step: 2 MB


def delete(
    connection: sqlite3.Connection, which: str, parameters: Parameters
) -> list[tuple[str, bool]]:
    """The messages of a SELECT of seq; their IDs, and whether they had been read."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS doomed (seq INTEGER PRIMARY KEY)")
    connection.execute("DELETE FROM doomed")
    connection.execute(f"INSERT INTO doomed {which}", parameters)
    gone = connection.execute(
        "SELECT id, read FROM messages WHERE seq IN (SELECT seq FROM doomed)"
    ).fetchall()
    for table in ("messages", *_TABLES):
        connection.execute(f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM doomed)")
    indexed = "(SELECT value FROM state WHERE name = 'indexed')"
    for table in ("fields", "texts"):
        connection.execute(
            f"DELETE FROM {table} WHERE seq > {indexed} AND seq IN (SELECT seq FROM doomed)"
        )
    connection.execute(
        f"INSERT OR IGNORE INTO removed SELECT seq FROM doomed WHERE seq <= {indexed}"
    )
    forget_unused_tags(connection)
    return [(identity, bool(read)) for identity, read in gone]


def delete_all(connection: sqlite3.Connection) -> None:
    """Everything; no row of it is looked at."""
    for table in ("messages", *_TABLES, "fields", "texts", "tags", "removed"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("INSERT INTO trigrams (trigrams) VALUES ('delete-all')")


def forget_one(connection: sqlite3.Connection) -> bool:
    """Take one deleted message out of the index; whether there was one."""
    row = connection.execute("SELECT seq FROM removed LIMIT 1").fetchone()
    if row is None:
        return False
    connection.execute(
        f"INSERT INTO trigrams (trigrams, rowid, text) SELECT 'delete', t.seq, {INDEXED_TEXT}"
        " FROM texts t JOIN fields f ON f.seq = t.seq WHERE t.seq = ?",
        row,
    )
    for table in ("texts", "fields", "removed"):
        connection.execute(f"DELETE FROM {table} WHERE seq = ?", row)
    return True


def give_back(connection: sqlite3.Connection) -> bool:
    """Some free pages to the file system; whether there were any worth it."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if free < _PAGES:
        return False
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
    return True
