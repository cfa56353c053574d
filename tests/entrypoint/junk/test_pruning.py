"""The words' database stays below a size."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from entrypoint.junk import pruning, words
from entrypoint.junk.words import classify, learn, message_counts

pytestmark = pytest.mark.skipif(not shutil.which("bogofilter"), reason="needs bogofilter")

MOST = 12_000
DRAW = random.Random(1)


def random_words() -> bytes:
    """10 MB of them."""

    def line() -> bytes:
        return b" ".join(b"%x" % DRAW.getrandbits(40) for _ in range(10)) + b"\n"

    own = b"".join(line() for _ in range(2_000))
    return b"Subject: words\n\n" + own + line() * 90_000


def test_random_words_do_not_fill_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MOST_WORDS", MOST)
    monkeypatch.setattr(words, "_COUNTED_FROM", 0)
    wanted = b"Subject: minutes\n\nThe agreed minutes\n"
    for _ in range(2):
        learn(tmp_path, wanted, "ham")
    path = tmp_path / "junk/wordlist.db"
    counts, sizes = [], []
    for _ in range(12):
        learn(tmp_path, random_words(), "spam")
        sizes.append(path.stat().st_size)
        with closing(sqlite3.connect(path)) as database:
            counts.append(database.execute("SELECT count(*) FROM bogofilter").fetchone()[0])
    assert counts[0] > 1000
    assert max(counts) <= MOST
    assert max(sizes) < 1.2 * sizes[5]  # what is free is used again
    assert message_counts(tmp_path) == (12, 2)
    known = classify(tmp_path, wanted)
    assert known is not None
    assert {word.ham for word in known.words if word.text in ("agreed", "minutes")} == {2}


def test_what_was_seen_least_and_longest_ago_goes_first() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.execute("CREATE TABLE bogofilter (key BLOB PRIMARY KEY, value BLOB)")
        value = pruning._VALUE.pack
        own = [(b".MSG_COUNT", value(1, 1, 0)), (b".ENCODING", value(2, 0, 0))]
        often = [(b"often%d" % n, value(0, 9, 20200101)) for n in range(500)]
        new = [(b"new%d" % n, value(1, 0, 20261101)) for n in range(500)]
        old = [(b"old%d" % n, value(1, 0, 20251101)) for n in range(1000)]
        rows = [*own, *often, *new, *old]
        DRAW.shuffle(rows)
        database.executemany("INSERT INTO bogofilter VALUES (?, ?)", rows)
        assert pruning.prune(database, 2002) == 0
        assert pruning.prune(database, 2000) == 502
        assert {key for key, _ in (*own, *often, *new)} <= _keys(database)
        assert pruning.prune(database, 1000) == 750
        assert {key for key, _ in (*own, *often)} <= _keys(database)


def _keys(database: sqlite3.Connection) -> set[bytes]:
    return {key for (key,) in database.execute("SELECT key FROM bogofilter")}


def test_a_disk_that_is_full_then_does_not_undo_the_lesson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(words, "_COUNTED_FROM", 0)
    monkeypatch.setattr(pruning, "prune", full)
    learn(tmp_path, b"Subject: x\n\nwords\n", "ham")
    assert message_counts(tmp_path) == (0, 1)
