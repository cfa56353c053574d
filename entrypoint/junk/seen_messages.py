"""Which messages were seen where, and what is still to be learned: the learner's own notes.

They are no lessons, and may be lost: whoever finds none takes the mailbox for one that was never
seen, and learns nothing from what is in it. Only the learner uses the file, one thread at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from entrypoint.junk.account_state import FOLDER
from entrypoint.junk.folders import DELETED, MARKED_SPAM, SEEN, named_at
from entrypoint.junk.moves import (
    ANSWER,
    FILED,
    FLAGGED,
    MOVED,
    READ,
    UNMARKED,
    Event,
    SeenBefore,
)
from entrypoint.junk.special_folders import Kind, kind_of
from entrypoint.junk.state_file import StateFile

NOTES = "seen.sqlite"
# Beside the marks of folders.py: what was there at the first look; what was asked about already.
OLD, ASKED = 256, 512
# `delivery_digest`s of what was in Junk: what comes back as another file is known by them.
MOST_JUNK = 20_000
# And of what came in elsewhere lately: it may be put into Junk as another file.
MOST_OUTSIDE = 5_000
# What waits to be learned, by what it was learned from; more of it is not learned.
MOST_WAITING = {
    MOVED: 5_000,
    FLAGGED: 2_000,
    UNMARKED: 2_000,
    ANSWER: 500,
    FILED: 500,
    READ: 100,
}
MOST_LOOKS = 2_000
# A message that left a folder may be in another one that is listed later.
_GONE_FOR = 900  # seconds

_SCHEMA = """
CREATE TABLE IF NOT EXISTS folders (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, inode INTEGER NOT NULL,
    stamp TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    folder INTEGER NOT NULL, key INTEGER NOT NULL, marks INTEGER NOT NULL, at INTEGER NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (folder, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS messages_by_key ON messages (key);
CREATE INDEX IF NOT EXISTS messages_gone ON messages (gone) WHERE gone > 0;
CREATE TABLE IF NOT EXISTS junk (
    key INTEGER PRIMARY KEY, inode INTEGER NOT NULL, written INTEGER NOT NULL, digest BLOB,
    folder INTEGER NOT NULL, path TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS junk_by_inode ON junk (inode);
CREATE INDEX IF NOT EXISTS junk_by_digest ON junk (digest);
CREATE INDEX IF NOT EXISTS junk_by_time ON junk (at);
CREATE TABLE IF NOT EXISTS outside (digest BLOB NOT NULL UNIQUE, key INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key INTEGER NOT NULL, folder INTEGER NOT NULL,
    path TEXT NOT NULL, class TEXT, source TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    UNIQUE (key, folder));
"""


@dataclass(frozen=True)
class SeenFolder:
    """A folder as it was when it was listed last."""

    id: int
    name: str
    inode: int
    stamp: str


@dataclass(frozen=True)
class Waiting:
    """A message that something happened to."""

    id: int
    key: int
    folder: str
    path: str
    event: Event
    tries: int


class SeenMessages(StateFile):
    """The file, opened."""

    def __init__(self, home: Path) -> None:
        super().__init__(home / FOLDER / NOTES, _SCHEMA)

    # -- folders ----------------------------------------------------------------------------------

    def folders(self) -> dict[str, SeenFolder]:
        """All that were listed, by name."""
        found = self.rows("SELECT id, name, inode, stamp FROM folders")
        return {row[1]: SeenFolder(*row) for row in found}

    def listed(self, name: str, inode: int, stamp: str) -> int:
        """Remember how a folder is; its number."""
        self.do(
            "INSERT INTO folders (name, inode, stamp) VALUES (?, ?, ?) ON CONFLICT (name)"
            " DO UPDATE SET inode = excluded.inode, stamp = excluded.stamp",
            *(name, inode, stamp),
        )
        return int(self.rows("SELECT id FROM folders WHERE name = ?", name)[0][0])

    def renamed(self, folder: SeenFolder, name: str) -> None:
        """What was seen there lies in a folder of another name now."""
        self.do("UPDATE folders SET name = ? WHERE id = ?", name, folder.id)

    def removed(self, folder: SeenFolder, now: int) -> None:
        """There is no such folder any more."""
        self.do("UPDATE messages SET gone = ? WHERE folder = ? AND gone = 0", now, folder.id)
        # Another folder may get its name, and none its number: what left it is still known by that.
        self.do(
            "UPDATE folders SET name = ?, stamp = '' WHERE id = ?",
            *(f"/{folder.id}{folder.name}", folder.id),
        )

    # -- messages ---------------------------------------------------------------------------------

    def messages(self, folder: int) -> dict[int, int]:
        """The marks of all that were there at the last look, by key."""
        return dict(
            self.rows("SELECT key, marks FROM messages WHERE folder = ? AND gone = 0", folder)
        )

    def known(self, key: int, inode: int, written: int, folder: int) -> SeenBefore:
        """What was seen of a message before, whatever folder it was in but this."""
        elsewhere = in_junk = False
        marks = 0
        for where, name, seen_marks in self.rows(
            "SELECT folder, name, marks FROM messages JOIN folders ON id = folder WHERE key = ?",
            key,
        ):
            marks |= seen_marks
            if (kind := kind_of(name)) is Kind.JUNK:
                in_junk = True
            elif where != folder and kind is not Kind.OWN:
                elsewhere = True
        in_junk = in_junk or self.has(
            "SELECT 1 FROM junk WHERE key = ? OR (inode = ? AND written = ?)", key, inode, written
        )
        return SeenBefore(elsewhere, in_junk, marks)

    def put(self, folder: int, rows: Iterable[tuple[int, int]], now: int) -> None:
        """They are there, with these marks; when they were first seen there stays."""
        self.do_many(
            "INSERT INTO messages VALUES (?, ?, ?, ?, 0) ON CONFLICT (folder, key) DO UPDATE SET"
            " marks = excluded.marks | (marks & ?), gone = 0",
            ((folder, key, marks, now, OLD | ASKED) for key, marks in rows),
        )

    def take_out(self, folder: int, keys: Iterable[int], now: int) -> None:
        """They are not there any more."""
        self.do_many(
            "UPDATE messages SET gone = ? WHERE folder = ? AND key = ?",
            ((now, folder, key) for key in keys),
        )

    def drop_gone(self, now: int) -> None:
        """Forget what left long ago, also by a clock that was set back since."""
        self.do(
            "DELETE FROM messages WHERE gone > 0 AND (gone < ? OR gone > ?)", now - _GONE_FOR, now
        )
        self.do(
            "DELETE FROM folders WHERE name LIKE '/%' AND NOT EXISTS"
            " (SELECT 1 FROM messages WHERE folder = folders.id)"
        )
        self.do("DELETE FROM waiting WHERE folder NOT IN (SELECT id FROM folders)")

    def places(self, key: int) -> list[str]:
        """Folders that have the message."""
        rows = self.rows(
            "SELECT name FROM messages JOIN folders ON id = folder WHERE key = ? AND gone = 0", key
        )
        return [name for (name,) in rows]

    def read_until(self, folder: int, until: int, most: int) -> list[int]:
        """Keys of what has been read, was there then already, and was not asked about.

        Without what is marked as junk, or deleted.
        """
        rows = self.rows(
            "SELECT key FROM messages WHERE folder = ? AND gone = 0 AND at <= ?"
            " AND marks & ? = ? LIMIT ?",
            *(folder, until, SEEN | MARKED_SPAM | DELETED | OLD | ASKED, SEEN, most),
        )
        return [key for (key,) in rows]

    def seen_by(self, now: int) -> None:
        """What was first seen later than now, by a clock that was ahead, is taken as seen now."""
        self.do("UPDATE messages SET at = ? WHERE at > ?", now, now)

    def asked(self, folder: int, keys: Iterable[int]) -> None:
        """Do not ask about them again."""
        self.do_many(
            "UPDATE messages SET marks = marks | ? WHERE folder = ? AND key = ?",
            ((ASKED, folder, key) for key in keys),
        )

    # -- Junk -------------------------------------------------------------------------------------

    def put_junk(self, folder: int, rows: Iterable[tuple[int, int, int, str]], now: int) -> None:
        """Messages that are in Junk: key, inode, when written, and path."""
        self.do_many(
            "INSERT INTO junk (key, inode, written, folder, path, at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET inode = excluded.inode, written = excluded.written",
            ((key, inode, written, folder, path, now) for key, inode, written, path in rows),
        )
        self.do(
            "DELETE FROM junk WHERE key IN"
            " (SELECT key FROM junk ORDER BY at DESC LIMIT -1 OFFSET ?)",
            MOST_JUNK,
        )

    def without_digest(self, most: int) -> list[tuple[int, str, str]]:
        """Some of Junk that were not read yet: key, folder and path."""
        return self.rows(
            "SELECT key, name, path FROM junk JOIN folders ON id = folder WHERE digest IS NULL"
            " LIMIT ?",
            most,
        )

    def set_digest(self, key: int, digest: bytes) -> None:
        """Of one that is in Junk; empty if it cannot be read."""
        self.do("UPDATE junk SET digest = ? WHERE key = ?", digest, key)

    def in_junk_since(self, digest: bytes, key: int) -> float | None:
        """When a message of this digest, but another file than this, was put into Junk."""
        rows = self.rows("SELECT path FROM junk WHERE digest = ? AND key != ?", digest, key)
        return min((named_at(path.rpartition("/")[2]) for (path,) in rows), default=None)

    def put_outside(self, digest: bytes, key: int) -> None:
        """A message that is new, and not in Junk."""
        with self.changing():
            self.do("INSERT OR REPLACE INTO outside VALUES (?, ?)", digest, key)
            self.drop_oldest("outside", MOST_OUTSIDE)

    def was_outside(self, digest: bytes, key: int) -> bool:
        """Whether a message of this digest came in elsewhere, as another file than this."""
        return self.has("SELECT 1 FROM outside WHERE digest = ? AND key != ?", digest, key)

    # -- what waits -------------------------------------------------------------------------------

    def wait(self, items: Iterable[tuple[int, int, str, Event]]) -> int:
        """Have messages learned, whatever was to be learned of them before.

        items: key, folder, path and what happened. Returns for how many there is no room.
        """
        number = Counter(
            {
                (source, cls): count
                for source, cls, count in self.rows(
                    "SELECT source, class, count(*) FROM waiting GROUP BY source, class"
                )
            }
        )
        refused = 0
        for key, folder, path, event in items:
            most = MOST_LOOKS if event.cls is None else MOST_WAITING[event.source]
            if number[event.source, event.cls] >= most:
                refused += event.cls is not None
                continue
            number[event.source, event.cls] += 1
            if event.cls is not None:
                self.do("DELETE FROM waiting WHERE key = ?", key)
            self.do(
                "INSERT OR IGNORE INTO waiting (key, folder, path, class, source)"
                " VALUES (?, ?, ?, ?, ?)",
                *(key, folder, path, event.cls, event.source),
            )
        return refused

    def waiting(self, most: int) -> list[Waiting]:
        """What came first, of what was tried least."""
        rows = self.rows(
            "SELECT waiting.id, key, name, path, class, source, tries FROM waiting JOIN folders"
            " ON folders.id = folder ORDER BY tries, waiting.id LIMIT ?",
            most,
        )
        return [
            Waiting(number, key, name, path, Event(cls, source), tries)
            for number, key, name, path, cls, source, tries in rows
        ]

    def tried(self, item: Waiting) -> None:
        """It failed."""
        self.do("UPDATE waiting SET tries = tries + 1 WHERE id = ?", item.id)

    def done(self, item: Waiting) -> None:
        """Nothing is to be done any more; what was asked of the message meanwhile stays."""
        self.do("DELETE FROM waiting WHERE id = ?", item.id)
