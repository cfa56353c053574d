"""The word index in the file, block by block. What is behind the last block has no index yet."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

from entrypoint.test_target.search.word_block import SPAN, Bits, WordBlock, build
from entrypoint.test_target.store.schema import open_reader
from entrypoint.test_target.store.writer import Writer, WriterClosedError

log = logging.getLogger(__name__)

_CHARACTERS = 8_000_000  # that make a block, too: looked through in 10 ms
_AGAIN = 5.0  # seconds after which the file is tried again if it could not be written

# What is searched beside the text.
_FURTHER = "f.message_id || ' ' || f.subject"


class Indexer:
    """A thread of its own: a block takes 100 ms, and the thread that writes has mail to store."""

    def __init__(self, path: Path, writer: Writer) -> None:
        self._path = path
        self._writer = writer
        self._news = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store-indexer", daemon=True)
        self._news.set()
        self._thread.start()

    def nudge(self) -> None:
        """There are new messages."""
        self._news.set()

    def close(self) -> None:
        """What is not in the index then is looked through, and comes into it the next time."""
        self._closing = True
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        connection = open_reader(self._path)
        try:
            while not self._closing:
                self._news.wait()
                self._news.clear()
                if not self._catch_up(connection):
                    # Searches go on without it.
                    self._news.wait(_AGAIN)
                    self._news.set()
        finally:
            connection.close()

    def _catch_up(self, connection: sqlite3.Connection) -> bool:
        """Whether the file could be read and written."""
        try:
            while not self._closing and (block := next_block(connection)) is not None:
                self._writer.run(lambda c, block=block: write_block(c, block))  # type: ignore[misc]
        except WriterClosedError:
            pass
        except Exception as error:  # of SQLite, or StoreFullError
            log.warning("the index of words cannot be written: %s", error)
            return False
        return True


def due(connection: sqlite3.Connection) -> int:
    """How many messages are not in the index, if these are enough for a block."""
    count, size, span = connection.execute(
        "SELECT count(*), coalesce(sum(size), 0), coalesce(max(seq) - min(seq) + 1, 0)"
        " FROM messages WHERE seq > (SELECT value FROM state WHERE name = 'indexed')"
    ).fetchone()
    if span > SPAN:
        return int(count)
    # Attachments have no text.
    return int(count) if size >= _CHARACTERS and _characters(connection) >= _CHARACTERS else 0


def _characters(connection: sqlite3.Connection) -> int:
    (characters,) = connection.execute(
        "SELECT coalesce(sum(length(text)), 0) FROM texts"
        " WHERE seq > (SELECT value FROM state WHERE name = 'indexed')"
    ).fetchone()
    return int(characters)


def next_block(connection: sqlite3.Connection) -> WordBlock | None:
    """The next one; None as long as there are too few messages for it."""
    if not due(connection):
        return None
    rows = connection.execute(
        f"SELECT t.seq, t.text, {_FURTHER}, length(t.text) FROM texts t"  # noqa: S608
        " JOIN fields f ON f.seq = t.seq"
        " WHERE t.seq > (SELECT value FROM state WHERE name = 'indexed') ORDER BY t.seq"
    )
    taken: list[tuple[int, str, str]] = []
    characters = 0
    for seq, text, further, length in rows:
        if taken and seq - taken[0][0] >= SPAN:
            break
        taken.append((seq, text, further))
        characters += length
        if characters >= _CHARACTERS:
            break
    rows.close()
    return build(taken) if taken else None


def write_block(connection: sqlite3.Connection, block: WordBlock) -> None:
    """Within a transaction of the caller's."""
    connection.execute("UPDATE state SET value = ? WHERE name = 'indexed'", (block.last,))
    left = connection.execute(
        "SELECT 1 FROM messages WHERE seq BETWEEN ? AND ? LIMIT 1", (block.first, block.last)
    ).fetchone()
    if left is None:  # deleted in the meantime
        return
    connection.execute(
        "INSERT INTO word_blocks VALUES (?, ?, ?, ?, ?, ?)",
        (
            *(block.first, block.last, to_blob(block.members)),
            *(block.words, block.own, block.further),
        ),
    )
    connection.executemany(
        "INSERT INTO word_masks VALUES (?, ?, ?)",
        ((block.first, number, to_blob(mask)) for number, mask in enumerate(block.masks)),
    )


def to_blob(bits: Bits) -> bytes:
    """As short as they are."""
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")
