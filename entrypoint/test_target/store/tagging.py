"""Tags on messages. All of it is within a transaction of the caller's.

`which` is a SELECT of the messages' seq, `parameters` are its own.
"""

# What is put together here are names of tables and columns; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

Parameters = tuple[str | int, ...]


def add_tags(
    connection: sqlite3.Connection, which: str, parameters: Parameters, tags: Sequence[str]
) -> None:
    """A tag that exists in another case keeps it."""
    for tag in tags:
        connection.execute(
            "INSERT INTO tags (name, folded) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (tag, tag.lower()),
        )
        connection.execute(
            f"WITH wanted (seq) AS ({which})"
            " INSERT INTO message_tags SELECT w.seq, t.id FROM wanted w JOIN tags t"
            " WHERE t.folded = ? ON CONFLICT DO NOTHING",
            (*parameters, tag.lower()),
        )


def set_tags(
    connection: sqlite3.Connection, which: str, parameters: Parameters, tags: Sequence[str]
) -> None:
    """These and no others."""
    connection.execute(f"DELETE FROM message_tags WHERE seq IN ({which})", parameters)
    add_tags(connection, which, parameters, tags)
    forget_unused_tags(connection)


def rename_tag(connection: sqlite3.Connection, old: str, new: str) -> bool:
    """Whether there was one of the old name. One of the new name that exists takes its messages."""
    row = connection.execute("SELECT id FROM tags WHERE folded = ?", (old.lower(),)).fetchone()
    if row is None:
        return False
    if new.lower() == old.lower():
        connection.execute("UPDATE tags SET name = ? WHERE id = ?", (new, row[0]))
        return True
    add_tags(connection, "SELECT seq FROM message_tags WHERE tag = ?", (row[0],), [new])
    connection.execute("DELETE FROM message_tags WHERE tag = ?", row)
    connection.execute("DELETE FROM tags WHERE id = ?", row)
    return True


def delete_tag(connection: sqlite3.Connection, name: str) -> bool:
    """Whether there was one of that name."""
    row = connection.execute("SELECT id FROM tags WHERE folded = ?", (name.lower(),)).fetchone()
    if row is None:
        return False
    connection.execute("DELETE FROM message_tags WHERE tag = ?", row)
    connection.execute("DELETE FROM tags WHERE id = ?", row)
    return True


def forget_unused_tags(connection: sqlite3.Connection) -> None:
    """Tags that no message has any more."""
    connection.execute(
        "DELETE FROM tags WHERE NOT EXISTS (SELECT 1 FROM message_tags g WHERE g.tag = tags.id)"
    )


def tag_names(connection: sqlite3.Connection) -> list[str]:
    """In the alphabet's order."""
    return [name for (name,) in connection.execute("SELECT name FROM tags ORDER BY folded")]


def tag_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """How many messages have each."""
    rows = connection.execute(
        "SELECT t.name, (SELECT count(*) FROM message_tags g WHERE g.tag = t.id) FROM tags t"
        " ORDER BY t.folded"
    )
    return dict(rows)
