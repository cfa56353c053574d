"""The copies of messages in Maildirs, as they were last seen there.

A copy whose message is gone is to be removed; one whose message was read since is to be flagged.
So what is left to do stands in the file, whatever becomes of this process.
"""

# What is put together here are names of tables and columns; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.test_target.store.deliveries import forget_deliveries
from entrypoint.test_target.store.removing import delete

_COLUMNS = "c.maildir, c.name, c.id, c.path, c.seen, c.inode, c.mtime"
_NAMED = "c.id IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True)
class Copy:
    """The columns of its row."""

    maildir: str
    name: str
    identity: str
    path: str
    seen: bool
    inode: int
    mtime: int


@dataclass(frozen=True)
class SeenChanges:
    """What a Maildir has otherwise than we knew. moved: those with another path or flag. added:
    hard links to copies.
    """

    maildir: str
    moved: Sequence[Copy] = ()
    added: Sequence[Copy] = ()
    gone: Sequence[Copy] = ()

    def __bool__(self) -> bool:
        return bool(self.moved or self.added or self.gone)


@dataclass(frozen=True)
class AppliedChanges:
    """What has become of messages: IDs. deleted: and whether they had been read."""

    read: list[str]
    unread: list[str]
    deleted: list[tuple[str, bool]]


def add_delivered(
    connection: sqlite3.Connection, seqs: Sequence[int], copies: Sequence[Copy]
) -> list[str]:
    """The deliveries are done. IDs of those that were deleted or read meanwhile."""
    forget_deliveries(connection, seqs)
    _insert(connection, copies)
    rows = connection.execute(
        "SELECT DISTINCT value FROM json_each(?) LEFT JOIN messages m ON m.id = value"
        " WHERE m.id IS NULL OR m.read",
        (json.dumps([copy.identity for copy in copies]),),
    )
    return [identity for (identity,) in rows]


def paths_in(connection: sqlite3.Connection, maildir: str) -> set[str]:
    """Of all copies there."""
    rows = connection.execute("SELECT path FROM copies WHERE maildir = ?", (maildir,))
    return {path for (path,) in rows}


def copies_named(
    connection: sqlite3.Connection, maildir: str, names: Sequence[str]
) -> dict[str, Copy]:
    """Those of these names."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM copies c WHERE c.maildir = ?"
        " AND c.name IN (SELECT value FROM json_each(?))",
        (maildir, json.dumps(list(names))),
    )
    return {copy.name: copy for copy in map(_copy, rows)}


def copies_of_inode(connection: sqlite3.Connection, inode: int, mtime: int) -> list[Copy]:
    """Those that are this very file."""
    return [
        *map(
            _copy,
            connection.execute(
                f"SELECT {_COLUMNS} FROM copies c WHERE c.inode = ? AND c.mtime = ?", (inode, mtime)
            ),
        )
    ]


def orphans(
    connection: sqlite3.Connection, identities: Sequence[str] | None, limit: int
) -> list[Copy]:
    """Copies whose messages are gone. identities: None is all."""
    which, parameters = _which(identities)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM copies c WHERE {which}"
        " AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = c.id) LIMIT ?",
        (*parameters, limit),
    )
    return [*map(_copy, rows)]


def unlike(
    connection: sqlite3.Connection, identities: Sequence[str] | None, limit: int
) -> list[tuple[Copy, bool]]:
    """Copies whose messages have been marked since, and whether as read."""
    which, parameters = _which(identities)
    rows = connection.execute(
        f"SELECT {_COLUMNS}, m.read FROM copies c JOIN messages m ON m.id = c.id"
        f" WHERE {which} AND m.read != c.read LIMIT ?",
        (*parameters, limit),
    )
    return [(_copy(row[:-1]), bool(row[-1])) for row in rows]


def forget_copies(connection: sqlite3.Connection, copies: Sequence[Copy]) -> None:
    """Their files are gone."""
    connection.executemany(
        "DELETE FROM copies WHERE maildir = ? AND name = ?",
        [(copy.maildir, copy.name) for copy in copies],
    )


def set_flagged(connection: sqlite3.Connection, flagged: Sequence[tuple[Copy, bool]]) -> None:
    """Copies as they are now, and whether the message was read: they are alike."""
    connection.executemany(
        "UPDATE copies SET path = ?, seen = ?, read = ? WHERE maildir = ? AND name = ?",
        [(copy.path, copy.seen, read, copy.maildir, copy.name) for copy, read in flagged],
    )


def apply_seen(connection: sqlite3.Connection, changes: SeenChanges) -> AppliedChanges:
    """Take over what a client did: a message is read if a copy is, and goes with the last one."""
    before = copies_named(connection, changes.maildir, [copy.name for copy in changes.moved])
    connection.executemany(
        "UPDATE copies SET path = ?, seen = ? WHERE maildir = ? AND name = ?",
        [(copy.path, copy.seen, copy.maildir, copy.name) for copy in changes.moved],
    )
    _insert(connection, changes.added)
    forget_copies(connection, changes.gone)
    marked = [
        copy.identity
        for copy in changes.moved
        if copy.name in before and before[copy.name].seen != copy.seen
    ]
    marked += [copy.identity for copy in changes.added if copy.seen]
    applied = AppliedChanges([], [], _delete_uncopied(connection, changes.gone))
    for identity in dict.fromkeys(marked):
        read = _mark(connection, identity)
        if read is not None:
            (applied.read if read else applied.unread).append(identity)
    return applied


def _mark(connection: sqlite3.Connection, identity: str) -> bool | None:
    """The message as its copies; None if it is so already, or was marked meanwhile: that counts."""
    read, seen, alike = connection.execute(
        "SELECT m.read, max(c.seen), min(c.read = m.read)"
        " FROM messages m JOIN copies c ON c.id = m.id WHERE m.id = ?",
        (identity,),
    ).fetchone()
    if not alike or read == seen:
        return None
    connection.execute("UPDATE messages SET read = ? WHERE id = ?", (seen, identity))
    connection.execute("UPDATE copies SET read = ? WHERE id = ?", (seen, identity))
    return bool(seen)


def _delete_uncopied(
    connection: sqlite3.Connection, gone: Sequence[Copy]
) -> list[tuple[str, bool]]:
    identities = json.dumps([copy.identity for copy in gone])
    return delete(
        connection,
        "SELECT m.seq FROM messages m WHERE m.id IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM copies c WHERE c.id = m.id)"
        " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = m.seq)",
        (identities,),
    )


def _insert(connection: sqlite3.Connection, copies: Sequence[Copy]) -> None:
    """A hard link is as read as its message; a message that is gone has none that is."""
    connection.executemany(
        "INSERT OR REPLACE INTO copies (maildir, name, id, path, seen, inode, mtime, read)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, coalesce((SELECT max(read) FROM copies WHERE id = ?), 0))",
        [
            (
                *(copy.maildir, copy.name, copy.identity, copy.path, copy.seen),
                *(copy.inode, copy.mtime, copy.identity),
            )
            for copy in copies
        ],
    )


def _which(identities: Sequence[str] | None) -> tuple[str, tuple[str, ...]]:
    return ("1", ()) if identities is None else (_NAMED, (json.dumps(list(identities)),))


def _copy(row: tuple[str, str, str, str, int, int, int]) -> Copy:
    maildir, name, identity, path, seen, inode, mtime = row
    return Copy(maildir, name, identity, path, bool(seen), inode, mtime)
