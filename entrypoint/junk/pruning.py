"""Bounds bogofilter's database: words that were seen least, longest ago, go first.

Nothing else bounds it: random words in a message are words, and one that is 10 MB long brings as
many as fit its excerpt, again with each message.
"""

from __future__ import annotations

import sqlite3
import struct
from array import array

MOST_WORDS = 200_000  # some 16 MB
_LEFT = 0.75  # of them, so that not every lesson has to
_VALUE = struct.Struct("=III")  # spam, ham, and the day as 20261231
_MOST_COUNTED, _ROW_BITS, _DAY_BITS = 255, 30, 26


def prune(database: sqlite3.Connection, most: int) -> int:
    """Delete words if there are more; how many. Raises sqlite3.Error, and nothing is deleted.

    The file keeps its size: what is free in it is used again. database: in autocommit mode.
    """
    (words,) = database.execute("SELECT count(*) FROM bogofilter").fetchone()
    if words <= most:
        return 0
    database.execute("BEGIN IMMEDIATE")
    try:
        ranks = sorted(_ranks(database))
        rows = [(rank & (1 << _ROW_BITS) - 1,) for rank in ranks[: words - int(most * _LEFT)]]
        database.executemany("DELETE FROM bogofilter WHERE rowid = ?", rows)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    return len(rows)


def _ranks(database: sqlite3.Connection) -> array[int]:
    """Of each word one number: how often it was seen, when last, and its row."""
    ranks = array("Q")
    # Names that begin with a dot are bogofilter's own.
    for row, value in database.execute(
        "SELECT rowid, value FROM bogofilter WHERE substr(key, 1, 1) != ?", (b".",)
    ):
        spam, ham, day = _VALUE.unpack(value[: _VALUE.size].ljust(_VALUE.size, b"\0"))
        seen = min(spam + ham, _MOST_COUNTED)
        day = min(day, (1 << _DAY_BITS) - 1)
        ranks.append((seen << _DAY_BITS | day) << _ROW_BITS | row & (1 << _ROW_BITS) - 1)
    return ranks
