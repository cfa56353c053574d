"""The tables, and how a file of an earlier version becomes one of this."""

from __future__ import annotations

import sqlite3
from pathlib import Path

# Where a query only asks about small columns, no large one shall be read: so the table that all
# else hangs on is narrow, and what is long stands in tables of its own.
_FIRST = """
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO state VALUES ('indexed', 0);
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
    size INTEGER NOT NULL, attachments INTEGER NOT NULL, inline INTEGER NOT NULL,
    read INTEGER NOT NULL DEFAULT 0, run TEXT NOT NULL
);
CREATE INDEX messages_by_run ON messages (run, seq);
CREATE TABLE summaries (seq INTEGER PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, deflated INTEGER NOT NULL, raw BLOB NOT NULL);
CREATE TABLE fields (
    seq INTEGER PRIMARY KEY, from_ TEXT NOT NULL, to_ TEXT NOT NULL, cc TEXT NOT NULL,
    bcc TEXT NOT NULL, reply_to TEXT NOT NULL, subject TEXT NOT NULL, message_id TEXT NOT NULL
);
CREATE TABLE texts (seq INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE recipients (
    address TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (address, seq)
) WITHOUT ROWID;
CREATE INDEX recipients_by_message ON recipients (seq);
CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE);
CREATE TABLE message_tags (
    seq INTEGER NOT NULL, tag INTEGER NOT NULL, PRIMARY KEY (seq, tag)
) WITHOUT ROWID;
CREATE INDEX message_tags_by_tag ON message_tags (tag, seq);
-- Which of a thousand messages have which words: see search/word_block.py. `indexed` is the last
-- message that is in a block, or was.
CREATE TABLE word_blocks (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, members BLOB NOT NULL, words BLOB NOT NULL,
    own BLOB NOT NULL, further BLOB NOT NULL
);
CREATE TABLE word_masks (
    block INTEGER NOT NULL, word INTEGER NOT NULL, mask BLOB NOT NULL, PRIMARY KEY (block, word)
) WITHOUT ROWID;
"""
_MAILBOXES = """
-- Messages that are not in their recipients' mailboxes yet: what stands before the raw bytes there,
-- or all of it in their place.
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY, junk INTEGER NOT NULL, head BLOB NOT NULL, deflated INTEGER NOT NULL,
    body BLOB
);
-- Their copies in Maildirs. name: of the file, up to its flags, which is not changed. path: below
-- the Maildir, when last seen. seen: whether it has that flag. read: whether the message had been
-- read when both were last compared. inode and mtime: what a hard link has in common with it.
-- A copy outlives its message until its file is gone, too.
CREATE TABLE copies (
    maildir TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, path TEXT NOT NULL,
    seen INTEGER NOT NULL, read INTEGER NOT NULL, inode INTEGER NOT NULL, mtime INTEGER NOT NULL,
    PRIMARY KEY (maildir, name)
) WITHOUT ROWID;
CREATE INDEX copies_by_message ON copies (id);
CREATE INDEX copies_by_inode ON copies (inode);
"""
MIGRATIONS = (_FIRST, _MAILBOXES)
_PAGE = 8192  # bytes: most messages' texts lie within one
_CHECKPOINT = 2_000  # pages of the log (16 MB) that are written back together


class StoreVersionError(Exception):
    """The file was written by a later version than this."""


def open_writer(path: Path) -> sqlite3.Connection:
    """The file, made or brought up to date. Raises StoreVersionError, and sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA page_size = {_PAGE}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
    connection.execute("PRAGMA cache_size = -32768")
    connection.execute("PRAGMA temp_store = MEMORY")
    # Debian's SQLite fills what is deleted with zeros: all of it would be written once more.
    connection.execute("PRAGMA secure_delete = OFF")
    _migrate(connection)
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA cache_size = -8192")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreVersionError(
            f"the messages were stored by a later version (schema {version}; this one knows"
            f" {len(MIGRATIONS)}): start that version, or with an empty volume"
        )
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;{script};PRAGMA user_version = {number};COMMIT;")
