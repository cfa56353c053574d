"""What is remembered of a search holds for readers of an earlier state, too, and has a bound."""

import sqlite3
from pathlib import Path

import pytest

from entrypoint.test_target.search.terms import Contains
from entrypoint.test_target.search.word_block import SPAN
from entrypoint.test_target.store import occurrences
from entrypoint.test_target.store.adding import insert, prepare
from entrypoint.test_target.store.indexing import next_block, write_block
from entrypoint.test_target.store.occurrences import Occurrences
from entrypoint.test_target.store.schema import open_reader, open_writer
from tests.entrypoint.test_target.mails import mail

NEEDLE = Contains("text", "needle")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A block of messages, and some that are in none."""
    with open_writer(tmp_path / "store.db") as connection:
        add(connection, SPAN + 10)
    return tmp_path / "store.db"


def add(connection: sqlite3.Connection, count: int) -> None:
    connection.execute("BEGIN")
    insert(connection, [prepare(mail("needle")) for _ in range(count)])
    while (block := next_block(connection)) is not None:
        write_block(connection, block)
    connection.execute("COMMIT")


def found(known: Occurrences, connection: sqlite3.Connection) -> int:
    condition = known.condition(connection, NEEDLE)
    (count,) = connection.execute(
        f"SELECT count(*) FROM messages m WHERE {condition.text}",
        condition.parameters,
    ).fetchone()
    return int(count)


@pytest.mark.parametrize("many", [1, 10_000])
def test_a_reader_of_an_earlier_state_gets_its_own_answer(
    path: Path, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occurrences, "_MANY", many)
    known = Occurrences()
    earlier, later = open_reader(path), open_reader(path)
    earlier.execute("BEGIN")
    assert earlier.execute("SELECT count(*) FROM messages").fetchone() == (SPAN + 10,)
    with open_writer(path) as connection:
        add(connection, SPAN)
    assert found(known, later) == 2 * SPAN + 10
    assert found(known, earlier) == SPAN + 10
    earlier.execute("ROLLBACK")
    assert found(known, earlier) == found(known, later) == 2 * SPAN + 10
    earlier.close()
    later.close()


def test_what_is_remembered_has_a_bound(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occurrences, "_MOST_BLOCKS", 3)
    known = Occurrences()
    reader = open_reader(path)
    words = ["needle", "need", "bob", "alice", "nothing like it", "subject"]
    for word in words * 2:
        known.condition(reader, Contains("text", word))
    assert list(known._known) == [Contains("text", word) for word in words[2:]]
    reader.close()
