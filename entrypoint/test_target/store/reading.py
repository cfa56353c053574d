"""What is asked of the file: pages of messages, one message, numbers."""

# What is put together here are names of tables and columns; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from entrypoint.test_target.search.sql import SqlCondition, to_sql
from entrypoint.test_target.search.terms import Contains, Query
from entrypoint.test_target.shapes.summary import with_state
from entrypoint.test_target.store.deflated import inflate
from entrypoint.test_target.store.tagging import Parameters, tag_names

_LARGEST = 2**63 - 1
EVERYTHING = Query(())
Containing = Callable[[Contains], SqlCondition]


@dataclass(frozen=True)
class Selection:
    """Which messages. before: milliseconds since 1970; only what came before then."""

    query: Query = EVERYTHING
    before: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether it leaves nothing out."""
        return not self.query.terms and self.before is None

    def where(self, containing: Containing) -> tuple[str, Parameters]:
        """What holds for `messages m`."""
        condition = to_sql(self.query, containing)
        if self.before is None:
            return condition.text, condition.parameters
        before = min(self.before, _LARGEST)
        return f"{condition.text} AND m.created < ?", (*condition.parameters, before)

    def seqs(self, containing: Containing) -> tuple[str, Parameters]:
        """A SELECT of their seq."""
        where, parameters = self.where(containing)
        return f"SELECT m.seq FROM messages m WHERE {where}", parameters


@dataclass(frozen=True)
class FoundMessages:
    """items: summaries, the newest first. matching, unread: of all that match. tags: all names."""

    items: list[dict[str, Any]]
    matching: int
    unread: int
    tags: list[str]


@dataclass(frozen=True)
class StoredMessage:
    """summary: the whole item of a list."""

    identity: str
    raw: bytes
    summary: dict[str, Any]


def find(
    connection: sqlite3.Connection,
    selection: Selection,
    containing: Containing,
    start: int,
    limit: int,
) -> FoundMessages:
    """limit: 0 counts only."""
    where, parameters = selection.where(containing)
    page = (min(limit, _LARGEST), min(start, _LARGEST))
    if selection.is_everything:  # Mailbox knows how many there are
        items = _items(connection, _page(connection, "1", (), page))
        return FoundMessages(items, -1, -1, tag_names(connection))
    matching, unread = connection.execute(
        f"SELECT count(*), coalesce(sum(m.read = 0), 0) FROM messages m WHERE {where}", parameters
    ).fetchone()
    seqs = _page(connection, where, parameters, page) if limit else []
    return FoundMessages(_items(connection, seqs), matching, unread, tag_names(connection))


def latest(
    connection: sqlite3.Connection, selection: Selection, containing: Containing
) -> str | None:
    """The newest one's ID."""
    where, parameters = selection.where(containing)
    row = connection.execute(
        f"SELECT m.id FROM messages m WHERE {where} ORDER BY m.seq DESC LIMIT 1",
        parameters,
    ).fetchone()
    return str(row[0]) if row else None


def load(connection: sqlite3.Connection, identity: str) -> StoredMessage | None:
    """None if there is none of that ID."""
    row = connection.execute(
        "SELECT b.deflated, b.raw, m.seq FROM messages m JOIN bodies b ON b.seq = m.seq"
        " WHERE m.id = ?",
        (identity,),
    ).fetchone()
    if row is None:
        return None
    items = _items(connection, [row[2]])
    if not items:
        return None
    return StoredMessage(identity, inflate(row[1], deflated=bool(row[0])), items[0])


def used_bytes(connection: sqlite3.Connection) -> int:
    """What the file's pages in use take."""
    numbers = [
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    ]
    return int((numbers[0] - numbers[1]) * numbers[2])


def totals(connection: sqlite3.Connection) -> tuple[int, int]:
    """All messages, and those that are unread."""
    row = connection.execute("SELECT count(*), coalesce(sum(read = 0), 0) FROM messages").fetchone()
    return int(row[0]), int(row[1])


def _page(
    connection: sqlite3.Connection, where: str, parameters: Parameters, page: tuple[int, int]
) -> list[int]:
    rows = connection.execute(
        f"SELECT m.seq FROM messages m WHERE {where} ORDER BY m.seq DESC LIMIT ? OFFSET ?",
        (*parameters, *page),
    )
    return [seq for (seq,) in rows]


def _items(connection: sqlite3.Connection, seqs: list[int]) -> list[dict[str, Any]]:
    wanted = (json.dumps(seqs),)
    tags: dict[int, list[str]] = {}
    for seq, name in connection.execute(
        "SELECT g.seq, t.name FROM message_tags g JOIN tags t ON t.id = g.tag"
        " WHERE g.seq IN (SELECT value FROM json_each(?)) ORDER BY t.folded",
        wanted,
    ):
        tags.setdefault(seq, []).append(name)
    rows = connection.execute(
        "SELECT m.seq, m.id, m.read, s.json FROM messages m JOIN summaries s ON s.seq = m.seq"
        " WHERE m.seq IN (SELECT value FROM json_each(?)) ORDER BY m.seq DESC",
        wanted,
    )
    return [
        with_state(json.loads(text), identity, read=bool(read), tags=tags.get(seq, []))
        for seq, identity, read, text in rows
    ]
