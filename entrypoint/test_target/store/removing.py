"""Deleting messages, and what is done about it afterwards, in small steps."""

# What is put together here are names of tables and columns; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import sqlite3

from entrypoint.test_target.store.tagging import Parameters, forget_unused_tags

_TABLES = ("summaries", "bodies", "recipients", "message_tags", "fields", "texts", "deliveries")
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
    forget_blocks(connection)
    forget_unused_tags(connection)
    return [(identity, bool(read)) for identity, read in gone]


def delete_all(connection: sqlite3.Connection) -> None:
    """Everything; no row of it is looked at."""
    for table in ("messages", *_TABLES, "tags", "word_blocks", "word_masks"):
        connection.execute(f"DELETE FROM {table}")


def forget_blocks(connection: sqlite3.Connection) -> None:
    """Those of the index of which no message is left."""
    gone = connection.execute(
        "SELECT b.first FROM word_blocks b WHERE NOT EXISTS"
        " (SELECT 1 FROM messages m WHERE m.seq BETWEEN b.first AND b.last)"
    ).fetchall()
    connection.executemany("DELETE FROM word_masks WHERE block = ?", gone)
    connection.executemany("DELETE FROM word_blocks WHERE first = ?", gone)


def give_back(connection: sqlite3.Connection) -> bool:
    """Some free pages to the file system; whether there were any worth it."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if free < _PAGES:
        return False
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
    return True
