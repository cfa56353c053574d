"""What is stored is on file, whatever becomes of the process; what is deleted is gone."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from entrypoint.test_target.search.parse import parse_query
from entrypoint.test_target.search.record import SearchRecord, matches
from entrypoint.test_target.search.word_block import build
from entrypoint.test_target.store import indexing, occurrences
from entrypoint.test_target.store.adding import StoreFullError, insert, prepare
from entrypoint.test_target.store.changes import (
    Change,
    ManyChanged,
    MessageAdded,
    MessagesDeleted,
    MessagesUpdated,
)
from entrypoint.test_target.store.indexing import write_block
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.store.readers import QuestionTooLongError
from entrypoint.test_target.store.reading import Selection
from entrypoint.test_target.store.schema import MIGRATIONS, StoreVersionError, open_writer
from tests.entrypoint.test_target.mails import mail, received
from tests.entrypoint.test_target.running import ROOT


@asynccontextmanager
async def opened(path: Path, **options: int) -> AsyncIterator[Mailbox]:
    mailbox = Mailbox(path, **options)
    try:
        yield mailbox
    finally:
        mailbox.close()


def run(case: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await case()

    asyncio.run(bounded())


async def ids(mailbox: Mailbox, query: str = "") -> list[str]:
    found = await mailbox.find(Selection(parse_query(query)), 0, 1000)
    assert found.matching == len(found.items)
    return [item["ID"] for item in found.items]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():
        await asyncio.sleep(0)


def test_what_is_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    message = mail("text", tls=None, login="me", verdict={"spf": {"result": "pass"}})

    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            (identity,) = await mailbox.add([message])
        async with opened(tmp_path / "store.db") as mailbox:
            stored = await mailbox.load(identity)
            assert stored
            assert stored.raw == message.raw
            assert stored.summary["Extra"]["Verdict"] == {"spf": {"result": "pass"}}
            assert stored.summary["Username"] == "me"
            assert (mailbox.totals.messages, mailbox.totals.unread) == (1, 1)

    run(case)


KILLED = """
import asyncio, sys
from pathlib import Path
from entrypoint.test_target.store.mailbox import Mailbox
from tests.entrypoint.test_target.mails import mail

def say(word, identity):
    sys.stdout.write(word + " " + identity + "\\n")
    sys.stdout.flush()

async def one(mailbox, number):
    (identity,) = await mailbox.add([mail(f"number {number} " * 200)])
    if number % 3 == 2:
        await mailbox.delete([identity])
        say("deleted", identity)
    else:
        say("stored", identity)

async def main():
    mailbox = Mailbox(Path(sys.argv[1]))
    for number in range(100_000):
        await asyncio.gather(*(one(mailbox, number) for _ in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("enough", [1, 40, 400])
def test_a_kill_loses_nothing_that_was_answered_for(tmp_path: Path, enough: int) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "store.db")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        answered = [process.stdout.readline() for _ in range(enough)]
        os.kill(process.pid, signal.SIGKILL)
        # What had been written to the pipe before the kill was answered for, too.
        answered += [line for line in process.stdout if line.endswith(b"\n")]

    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            for line in answered:
                word, identity = line.decode().split()
                assert bool(await mailbox.load(identity)) == (word == "stored")
            await until(lambda: _indexed(mailbox))
            found = await mailbox.find(Selection(parse_query("number")), 0, 0)
            assert found.matching == mailbox.totals.messages
        with open_writer(tmp_path / "store.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    run(case)


async def _indexed(mailbox: Mailbox) -> bool:
    return await mailbox.index_lag() == 0


def test_what_waits_during_a_commit_goes_into_the_next(tmp_path: Path) -> None:
    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            commits: list[str] = []
            mailbox._writer._connection.set_trace_callback(commits.append)
            gate, blocking = await blocked(mailbox)
            adding = [asyncio.ensure_future(mailbox.add([mail(f"{n}")])) for n in range(100)]
            await until(lambda: _waiting(mailbox, 100))
            before = commits.count("COMMIT")
            gate.set()
            assert await blocking
            await asyncio.gather(*adding)
            assert commits.count("COMMIT") - before == 2
            assert len(await ids(mailbox)) == 100

    run(case)


async def blocked(mailbox: Mailbox) -> tuple[threading.Event, asyncio.Future[bool]]:
    """The writer is in the middle of a commit until the event is set."""
    gate, begun = threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> bool:
        begun.set()
        return gate.wait(20)

    blocking = asyncio.ensure_future(mailbox._writer.do(work))
    while not begun.is_set():
        await asyncio.sleep(0)
    return gate, blocking


async def _waiting(mailbox: Mailbox, jobs: int) -> bool:
    return mailbox._writer._jobs.qsize() == jobs


def test_one_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:

            def fail(connection: sqlite3.Connection) -> None:
                connection.execute("DELETE FROM messages")
                raise ValueError("no")

            await mailbox.add([mail()])
            gate, blocking = await blocked(mailbox)
            failing = asyncio.ensure_future(mailbox._writer.do(fail))
            await until(lambda: _waiting(mailbox, 1))
            adding = asyncio.ensure_future(mailbox.add([mail()]))
            await until(lambda: _waiting(mailbox, 2))
            gate.set()
            await asyncio.gather(blocking, adding)
            with pytest.raises(ValueError, match="no"):
                await failing
            assert len(await ids(mailbox)) == 2

    run(case)


def test_messages_that_come_together_are_stored_together_or_not_at_all(tmp_path: Path) -> None:
    async def case() -> None:
        async with opened(tmp_path / "store.db", keep=1_000_000) as mailbox:
            await mailbox.add([mail("small")])
            with pytest.raises(StoreFullError, match="1000000 bytes"):
                await mailbox.add([mail("small"), received(os.urandom(600_000))])
            assert mailbox.totals.messages == 1
            await mailbox.delete(Selection())
            assert await mailbox.add([received(os.urandom(200_000))])

    run(case)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            await mailbox._writer.do(lambda c: c.execute("PRAGMA max_page_count = 60").fetchall())
            with pytest.raises(StoreFullError, match="disk"):
                await mailbox.add([received(os.urandom(2_000_000))])
            assert mailbox.totals.messages == 0
            assert await mailbox.add([mail()])

    run(case)


def test_deleting_gives_the_room_back(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def case() -> None:
        async with opened(path) as mailbox:
            head = b"Content-Type: application/octet-stream\r\n\r\n"
            await mailbox.add([received(head + os.urandom(100_000)) for _ in range(100)])
            await mailbox.add([mail("stays")])
            await until(lambda: _indexed(mailbox))
            used = await mailbox.used_bytes()
            await mailbox.delete(Selection(parse_query("larger:50k")))
            assert await mailbox.used_bytes() < used / 2
            assert await ids(mailbox, "stays")

            async def shrunk() -> bool:
                pages = await mailbox._readers.do(
                    lambda c: c.execute("PRAGMA page_count").fetchone()[0]
                )
                return int(pages) * 8192 < used / 2

            await until(shrunk)
        assert path.stat().st_size < used / 2

    run(case)


def test_deleting_everything_writes_next_to_nothing(tmp_path: Path) -> None:
    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            await mailbox.add([mail("word " * 20_000, subject=str(n)) for n in range(50)])
            await until(lambda: _indexed(mailbox))
            used = await mailbox.used_bytes()
            write_back = "PRAGMA wal_checkpoint(TRUNCATE)"
            await asyncio.to_thread(_once, tmp_path / "store.db", write_back)
            await mailbox.delete(Selection())
            assert (tmp_path / "store.db-wal").stat().st_size < used / 10

    run(case)


def _once(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    try:
        connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_the_index_forgets_what_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "SPAN", 4)

    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:

            async def blocks() -> int:
                counts = await mailbox._readers.do(
                    lambda c: c.execute(
                        "SELECT (SELECT count(*) FROM word_blocks),"
                        " (SELECT count(DISTINCT block) FROM word_masks)"
                    ).fetchone()
                )
                assert counts[0] == counts[1]
                return int(counts[0])

            gone = await mailbox.add([mail(f"needle{number}") for number in range(10)])
            await mailbox.add([mail("needle stays")])
            await until(lambda: _indexed(mailbox))
            assert await blocks() == 2
            await mailbox.delete(gone[:5])
            assert (await blocks(), len(await ids(mailbox, "needle"))) == (1, 6)
            await mailbox.delete(gone)
            assert (await blocks(), len(await ids(mailbox, "needle"))) == (0, 1)
            assert len(await ids(mailbox, "-needle0")) == 1
            await mailbox.add([mail(f"needle{number}") for number in range(10)])
            await until(lambda: _indexed(mailbox))
            await mailbox.delete(Selection())
            assert (await blocks(), await ids(mailbox, "needle")) == (0, [])
            await mailbox.add([mail("needle again")])
            assert len(await ids(mailbox, "needle")) == 1

    run(case)


def test_what_is_deleted_before_it_is_indexed_leaves_no_block(tmp_path: Path) -> None:
    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            await mailbox.add([mail("needle")])
            block = build([(1, "needle", "")])
            await mailbox.delete(Selection())
            await mailbox._writer.do(lambda c: write_block(c, block))
            left = await mailbox._readers.do(
                lambda c: c.execute("SELECT count(*) FROM word_blocks").fetchone()
            )
            assert left == (0,)
            await mailbox.add([mail("needle")])
            assert len(await ids(mailbox, "needle")) == 1

    run(case)


def test_whatever_is_asked_meanwhile_the_answer_is_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers are remembered: the same is asked after every change, and is right each time."""
    monkeypatch.setattr(indexing, "SPAN", 5)
    monkeypatch.setattr(occurrences, "_MANY", 8)
    monkeypatch.setattr(occurrences, "_MOST_REMEMBERED", 6)
    chance = random.Random(1)
    words = ["alpha", "beta", "gamma", "alphabet", "b"]
    queries = ["alpha", "bet", "-b", "a", "alpha beta", '"alpha beta"', "subject:gam", "to:b", "zz"]

    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            there: dict[str, SearchRecord] = {}
            mailbox.changes.listen(
                lambda change: (
                    there.update({change.item["ID"]: change.record})
                    if isinstance(change, MessageAdded)
                    else None
                )
            )
            for _ in range(60):
                if chance.random() < 0.8 or not there:
                    texts = [" ".join(chance.choices(words, k=2)) for _ in range(3)]
                    await mailbox.add([mail(t, subject=chance.choice(words)) for t in texts])
                elif chance.random() < 0.2:
                    query = chance.choice(queries)
                    await mailbox.delete(Selection(parse_query(query)))
                    gone = [i for i, r in there.items() if matches(parse_query(query), r)]
                    there = {i: r for i, r in there.items() if i not in gone}
                else:
                    gone = chance.sample(list(there), min(len(there), 4))
                    await mailbox.delete(gone)
                    there = {i: r for i, r in there.items() if i not in gone}
                for query in chance.sample(queries, 5):
                    parsed = parse_query(query)
                    expected = [i for i, r in there.items() if matches(parsed, r)][::-1]
                    found = await mailbox.find(Selection(parsed), 0, 1_000)
                    assert [item["ID"] for item in found.items] == expected, query
                    assert found.matching == len(expected)
            assert await mailbox._readers.do(
                lambda c: c.execute("SELECT count(*) FROM word_blocks").fetchone()[0]
            )

    run(case)


def test_what_is_undone_is_not_remembered(tmp_path: Path) -> None:
    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:

            def add_look_and_fail(connection: sqlite3.Connection) -> None:
                insert(connection, [prepare(mail("other"))])
                mailbox._which(connection, Selection(parse_query("needle")))
                raise ValueError("no")

            with pytest.raises(ValueError, match="no"):
                await mailbox._writer.do(add_look_and_fail)
            await mailbox.add([mail("needle")])
            assert len(await ids(mailbox, "needle")) == 1

    run(case)


def test_searches_go_on_while_the_index_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(indexing, "SPAN", 2)
    monkeypatch.setattr(indexing, "_AGAIN", 0.0)

    async def case() -> None:
        def fail(connection: sqlite3.Connection, block: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        async with opened(tmp_path / "store.db") as mailbox:
            with monkeypatch.context() as broken:
                broken.setattr(indexing, "write_block", fail)
                await mailbox.add([mail("needle") for _ in range(6)])
                assert len(await ids(mailbox, "needle")) == 6
                await until(lambda: _warned(caplog))
            await until(lambda: _indexed(mailbox))
            assert len(await ids(mailbox, "needle")) == 6

    run(case)


async def _warned(caplog: pytest.LogCaptureFixture) -> bool:
    return "the index of words cannot be written: disk I/O error" in caplog.text


def test_changes_are_told_in_their_order(tmp_path: Path) -> None:
    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            told: list[Change] = []
            mailbox.changes.listen(told.append)
            one, two = await mailbox.add([mail(subject="1"), mail(subject="2")])
            await mailbox.set_read([one, "none"], read=True)
            await mailbox.set_read([one], read=True)  # it is already
            await mailbox.set_tags([two], ["t"])
            await mailbox.delete([one])
            await mailbox.delete(Selection())
            names = [type(change).__name__ for change in told]
            assert names == [
                "MessageAdded",
                "MessageAdded",
                "MessagesUpdated",
                "MessagesUpdated",
                "MessagesDeleted",
                "ManyChanged",
            ]
            first = told[0]
            assert isinstance(first, MessageAdded)
            assert (first.item["Subject"], first.record.subject) == ("1", "1")
            assert told[2:] == [
                MessagesUpdated((one,), {"Read": True}),
                MessagesUpdated((two,), {"Tags": ["t"]}),
                MessagesDeleted((one,)),
                ManyChanged(emptied=True),
            ]
            totals = mailbox.totals
            assert (totals.messages, totals.unread, totals.deleted) == (0, 0, 2)

    run(case)


def test_who_stops_waiting_leaves_the_totals_right(tmp_path: Path) -> None:
    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            await mailbox.add([mail(), mail()])
            gate, blocking = await blocked(mailbox)
            deleting = asyncio.ensure_future(mailbox.delete(Selection()))
            await until(lambda: _waiting(mailbox, 1))
            deleting.cancel()
            gate.set()
            await blocking
            await mailbox.add([mail()])
            assert (mailbox.totals.messages, len(await ids(mailbox))) == (1, 1)

    run(case)


def test_a_question_has_a_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrypoint.test_target.store.readers._SECONDS", 0.05)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT count(*) FROM n"

    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            with pytest.raises(QuestionTooLongError):
                await mailbox._readers.do(lambda c: c.execute(endless).fetchone())
            assert await ids(mailbox) == []

    run(case)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    async def case() -> None:
        async with opened(tmp_path / "store.db") as mailbox:
            with pytest.raises(sqlite3.OperationalError):
                await mailbox._readers.do(lambda c: c.execute("DELETE FROM messages"))

    run(case)


def test_a_file_of_a_later_version_is_not_touched(tmp_path: Path) -> None:
    with open_writer(tmp_path / "store.db") as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = (tmp_path / "store.db").read_bytes()
    with pytest.raises(StoreVersionError, match="later version"):
        Mailbox(tmp_path / "store.db")
    assert (tmp_path / "store.db").read_bytes() == before


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        Mailbox(tmp_path / "store.db")


def test_close_stores_what_was_given(tmp_path: Path) -> None:
    async def case() -> None:
        mailbox = Mailbox(tmp_path / "store.db")
        adding = asyncio.ensure_future(mailbox.add([mail()]))
        while not mailbox._writer._jobs.qsize() and not adding.done():
            await asyncio.sleep(0)
        await asyncio.to_thread(mailbox.close)
        assert await adding
        start = time.monotonic()
        async with opened(tmp_path / "store.db") as again:
            assert again.totals.messages == 1
        assert time.monotonic() - start < 5

    run(case)
