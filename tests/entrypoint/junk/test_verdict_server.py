"""The socket at which deliveries ask: hostile, hung and broken all around it."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from entrypoint.junk import sparing, verdict_server
from entrypoint.junk.account_state import StateError
from entrypoint.junk.verdict import DeliveryQuestion
from entrypoint.junk.verdict_server import THREADS, VerdictServer
from entrypoint.junk.words import WordsError

ASKED = b"alice@example.org\0bob@example.net\0\0dmarc=pass\0From: bob@example.net\n\nhello\n"
HEALTH = b"\0\0\0\0"


@asynccontextmanager
async def serving(path: Path, server: VerdictServer) -> AsyncIterator[VerdictServer]:
    task = asyncio.create_task(server.serve(path))
    try:
        async with asyncio.timeout(20):
            while not path.exists():
                await asyncio.sleep(0.01)
            yield server
    finally:
        task.cancel()


async def ask(path: Path, question: bytes = ASKED, *, end: bool = True) -> bytes:
    """The answer up to the end of the stream."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(question)
        if end:
            writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


class Hung:
    """Judges that do not end before they may."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.begun = 0

    def __call__(self, question: DeliveryQuestion, mail: Path) -> str:
        self.begun += 1
        self.may_end.wait(30)
        return "no (late)"


@pytest.fixture
def hung() -> Iterator[Hung]:
    judge = Hung()
    yield judge
    judge.may_end.set()


def answering(line: str) -> Callable[[DeliveryQuestion, Path], str]:
    return lambda question, mail: line


def test_one_line_is_the_answer(tmp_path: Path) -> None:
    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=answering("no score=1.0"))):
            assert path.stat().st_mode & 0o777 == 0o660
            assert await ask(path) == b"no score=1.0\n"
            assert await ask(path, HEALTH) == b"ok\n"

    asyncio.run(talk())


def test_the_real_judge_answers_for_an_account_that_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "example.org/alice").mkdir(parents=True)

    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path)):
            said = b"no (not enough learned: 0 of 50 spam, 0 of 100 ham)\n"
            assert await ask(path) == said
            assert await ask(path, ASKED.replace(b"alice@example.org", b"../../etc")) == b""
            assert await ask(path, HEALTH) == b"ok\n"

    asyncio.run(talk())


@pytest.mark.parametrize(
    "question",
    [b"", b"alice@example.org", b"\0" * 3, b"a" * 3000 + HEALTH, ASKED + b"x" * 200_000],
    ids=["nothing", "no NUL", "three NULs", "a long account", "a long message"],
)
def test_what_is_no_question_has_no_answer(tmp_path: Path, question: bytes) -> None:
    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=answering("yes"))):
            assert await ask(path, question) == b""
            assert await ask(path) == b"yes\n"

    asyncio.run(talk())


def test_an_answer_is_one_line_of_ascii_whatever_is_said(tmp_path: Path) -> None:
    async def talk() -> None:
        path = tmp_path / "verdict"
        evil = VerdictServer(tmp_path, judge=answering("no\nX: y\x1b é" + "x" * 2000))
        async with serving(path, evil):
            answer = await ask(path)
            assert answer.startswith(b"no?X: y? ?x")
            assert len(answer) == 900
            assert answer.count(b"\n") == 1

    asyncio.run(talk())


def test_a_question_that_takes_too_long_has_no_answer_and_health_has(
    tmp_path: Path, hung: Hung, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All threads hang; more questions than those make no more threads, and are forgotten."""
    monkeypatch.setattr(verdict_server, "_HUNG_AFTER", 0.2)
    monkeypatch.setattr(sparing, "SPARED", 0.5)

    async def talk() -> None:
        path = tmp_path / "verdict"
        server = VerdictServer(tmp_path, judge=hung, seconds=0.4)
        async with serving(path, server):
            before = threading.active_count()
            begin = time.monotonic()
            for _ in range(3):
                answers = await asyncio.gather(*(ask(path) for _ in range(40)))
                assert set(answers) == {b""}
            assert time.monotonic() - begin < 10
            assert hung.begun == THREADS
            assert threading.active_count() - before <= THREADS
            assert server._open == 0
            assert len(server._begun) == THREADS
            assert (await ask(path, HEALTH)).startswith(b"8 of 8 questions have had no end")
            hung.may_end.set()
            while await ask(path) != b"no (late)\n":
                await asyncio.sleep(0.01)
            while await ask(path, HEALTH) != b"ok\n":
                await asyncio.sleep(0.01)
            assert not server._begun

    asyncio.run(talk())


def test_an_account_whose_words_hang_costs_few_deliveries_their_time(tmp_path: Path) -> None:
    """As where bogofilter hangs, and is killed: the next deliveries do not wait for it."""
    begun: list[str] = []

    def judge(question: DeliveryQuestion, mail: Path) -> str:
        begun.append(question.account)
        if question.account == "alice@example.org":
            time.sleep(0.3)
            raise WordsError("bogofilter had not ended")
        return "no score=0.0"

    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=judge, seconds=0.6)):
            begin = time.monotonic()
            for _ in range(20):
                assert await ask(path) == b""
                other = ASKED.replace(b"alice@", b"other@")
                assert await ask(path, other) == b"no score=0.0\n"
            assert time.monotonic() - begin < 3
            assert begun.count("alice@example.org") == sparing.IN_A_ROW
            assert b"alice@example.org: bogofilter" in await ask(path, HEALTH)

    asyncio.run(talk())


def test_where_every_account_hangs_the_others_are_not_tried_one_by_one(tmp_path: Path) -> None:
    begun: list[str] = []

    def judge(question: DeliveryQuestion, mail: Path) -> str:
        begun.append(question.account)
        time.sleep(0.15)
        raise WordsError("bogofilter had not ended")

    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=judge, seconds=0.3)):
            for number in range(40):
                assert await ask(path, ASKED.replace(b"alice", b"a%d" % number)) == b""
            assert len(begun) == sparing.OF_ALL_IN_A_ROW

    asyncio.run(talk())


def test_what_is_too_much_leaves_the_rest_its_answers(tmp_path: Path) -> None:
    """Where more is asked than can be answered, whoever would be too late has no thread."""

    async def answered(seconds: float) -> int:
        """Of 240 questions, each of which takes a third of what it may take."""

        def judge(question: DeliveryQuestion, mail: Path) -> str:
            time.sleep(seconds * 0.3)
            return "no score=0.0"

        path = tmp_path / f"verdict-{seconds}"
        async with serving(path, VerdictServer(tmp_path, judge=judge, seconds=seconds)):
            answers: list[bytes] = []

            async def deliveries() -> None:
                answers.extend([await ask(path) for _ in range(4)])

            await asyncio.gather(*(deliveries() for _ in range(60)))
            return answers.count(b"no score=0.0\n")

    # The most that there is time for is some 8 each 0.3 of it. A machine that is busy with
    # something else is late by itself, where there is little time.
    assert any(asyncio.run(answered(seconds)) > 60 for seconds in (0.8, 3.2))


def test_some_that_hang_leave_the_others_their_answers(tmp_path: Path, hung: Hung) -> None:
    def judge(question: DeliveryQuestion, mail: Path) -> str:
        return hung(question, mail) if question.account == "hung@example.org" else "no score=0.0"

    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=judge)):
            stuck = [
                asyncio.create_task(ask(path, ASKED.replace(b"alice@", b"hung@")))
                for _ in range(THREADS - 1)
            ]
            while hung.begun < THREADS - 1:
                await asyncio.sleep(0.01)
            answers = await asyncio.gather(*(ask(path) for _ in range(30)))
            assert set(answers) == {b"no score=0.0\n"}
            assert not any(task.done() for task in stuck)
            hung.may_end.set()
            await asyncio.gather(*stuck)

    asyncio.run(talk())


def test_an_account_that_hangs_gets_no_more_threads(
    tmp_path: Path, hung: Hung, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it lasts: with one more each ten seconds it would soon have all."""
    monkeypatch.setattr(sparing, "SPARED", 0.0)
    monkeypatch.setattr(verdict_server, "_HUNG_AFTER", 0.05)

    def judge(question: DeliveryQuestion, mail: Path) -> str:
        return hung(question, mail) if question.account == "hung@example.org" else "no score=0.0"

    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=judge, seconds=0.1)):
            for _ in range(THREADS + 1):
                assert await ask(path, ASKED.replace(b"alice@", b"hung@")) == b""
            assert hung.begun == 1
            assert await ask(path) == b"no score=0.0\n"
            hung.may_end.set()
            while await ask(path, ASKED.replace(b"alice@", b"hung@")) != b"no (late)\n":
                await asyncio.sleep(0.01)

    asyncio.run(talk())


def test_a_question_says_until_when_its_answer_counts(tmp_path: Path) -> None:
    found: list[float] = []

    def judge(question: DeliveryQuestion, mail: Path) -> str:
        found.append(question.until - time.monotonic())
        return "no score=0.0"

    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=judge, seconds=5.0)):
            assert await ask(path) == b"no score=0.0\n"

    asyncio.run(talk())
    assert 0 < found[0] <= 5.0


def test_who_asks_and_never_ends_is_left(tmp_path: Path) -> None:
    async def talk() -> None:
        path = tmp_path / "verdict"
        server = VerdictServer(tmp_path, judge=answering("no"), seconds=0.3)
        async with serving(path, server):
            slow = await asyncio.gather(*(ask(path, ASKED, end=False) for _ in range(50)))
            assert set(slow) == {b""}
            assert await ask(path) == b"no\n"
            assert server._open == 0

    asyncio.run(talk())


def test_a_flood_is_turned_away_at_once(tmp_path: Path) -> None:
    async def talk() -> None:
        path = tmp_path / "verdict"
        server = VerdictServer(tmp_path, judge=answering("no"), seconds=1.0)
        async with serving(path, server):
            idle = [asyncio.create_task(ask(path, b"x", end=False)) for _ in range(64)]
            while server._open < 64:
                await asyncio.sleep(0.01)
            begin = time.monotonic()
            assert await ask(path) == b""
            assert time.monotonic() - begin < 0.9
            await asyncio.gather(*idle)
            assert await ask(path) == b"no\n"

    asyncio.run(talk())


RECEIVED = b"Received: from x (x [192.0.2.1])\n\tby y (OpenSMTPD) with ESMTP id d43fc6ac;\n\tdate\n"


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged since the last time."""
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


def test_each_answer_is_logged_with_its_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of the message is in it, nor is there a line for what has no answer."""
    lines = iter(["yes score=5.5 threshold=5.0 (words 0.998)", "no (x\n\x1bforged)", "", "no (x)"])

    async def talk() -> None:
        path = tmp_path / "verdict"
        server = VerdictServer(tmp_path, judge=lambda question, mail: next(lines))
        async with serving(path, server):
            received = ASKED.replace(b"\0From:", b"\0" + RECEIVED + b"From:")
            assert await ask(path, received)
            assert await ask(path)
            assert await ask(path, HEALTH) == b"ok\n"
            assert await ask(path) == b""
            assert await ask(path, b"alice@example.org") == b""
            assert await ask(path)

    with caplog.at_level(logging.INFO):
        asyncio.run(talk())
    account = "login=alice@example.org"
    assert [each for each in logged(caplog) if account in each] == [
        f"msgid=d43fc6ac {account} junk=yes score=5.5 threshold=5.0 (words 0.998)",
        f"msgid=- {account} junk=no (x??forged)",
        f"msgid=- {account} junk=no (x)",
    ]


def test_an_answer_that_nobody_took_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, hung: Hung
) -> None:
    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=hung, seconds=0.2)) as server:
            assert await ask(path) == b""
            hung.may_end.set()
            while server._begun:
                await asyncio.sleep(0.01)

    with caplog.at_level(logging.INFO):
        asyncio.run(talk())
    assert not [each for each in logged(caplog) if "msgid=" in each]


@pytest.mark.parametrize("error", [WordsError, StateError])
def test_a_broken_account_is_named_once_and_by_health(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    broken = True

    def judge(question: DeliveryQuestion, mail: Path) -> str:
        if broken and question.account == "alice@example.org":
            raise error("/data/mail/x/wordlist.db: file is not a database")
        return "no score=0.0"

    async def talk() -> None:
        nonlocal broken
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=judge)):
            for _ in range(5):
                assert await ask(path) == b""
            assert await ask(path, ASKED.replace(b"alice", b"bob")) == b"no score=0.0\n"
            said = b"alice@example.org: /data/mail/x/wordlist.db: file is not a database\n"
            assert await ask(path, HEALTH) == said
            broken = False
            assert await ask(path) == b"no score=0.0\n"
            assert await ask(path, HEALTH) == b"ok\n"

    with caplog.at_level(logging.INFO):
        asyncio.run(talk())
    assert [each for each in logged(caplog) if "alice@example.org: " in each] == [
        "alice@example.org: no verdicts: /data/mail/x/wordlist.db: file is not a database",
        "alice@example.org: there are verdicts again",
    ]


@pytest.mark.parametrize("fault", [RuntimeError, ValueError])
def test_a_fault_of_our_own_costs_one_answer(tmp_path: Path, fault: type[Exception]) -> None:
    def judge(question: DeliveryQuestion, mail: Path) -> str:
        raise fault("unforeseen")

    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=judge)):
            for _ in range(THREADS + 2):
                assert await ask(path) == b""
            assert f"a fault of its own: {fault.__name__}".encode() in await ask(path, HEALTH)

    asyncio.run(talk())


def test_health_says_what_else_is_broken(tmp_path: Path) -> None:
    async def talk() -> None:
        path = tmp_path / "verdict"
        server = VerdictServer(tmp_path, more=lambda: ["bob@example.org: cannot be learned"])
        async with serving(path, server):
            assert await ask(path, HEALTH) == b"bob@example.org: cannot be learned\n"

    asyncio.run(talk())


def test_an_account_that_is_removed_is_broken_no_more(tmp_path: Path) -> None:
    """No message comes for it that could say so."""
    accounts = {"alice@example.org", "bob@example.org"}

    def judge(question: DeliveryQuestion, mail: Path) -> str:
        raise StateError("state.sqlite: disk I/O error")

    async def talk() -> None:
        path = tmp_path / "verdict"
        server = VerdictServer(tmp_path, judge=judge, accounts=lambda: accounts)
        async with serving(path, server):
            assert await ask(path) == b""
            assert await ask(path, HEALTH) == b"alice@example.org: state.sqlite: disk I/O error\n"
            accounts.remove("alice@example.org")
            assert await ask(path, ASKED.replace(b"alice@", b"bob@")) == b""
            assert await ask(path, HEALTH) == b"bob@example.org: state.sqlite: disk I/O error\n"
            assert list(server._broken) == ["bob@example.org"]

    asyncio.run(talk())


def test_it_takes_the_place_of_a_socket_that_was_left(tmp_path: Path) -> None:
    path = tmp_path / "verdict"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    async def talk() -> None:
        async with serving(path, VerdictServer(tmp_path)):
            while True:
                try:
                    assert await ask(path, HEALTH) == b"ok\n"
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    await asyncio.sleep(0.01)

    asyncio.run(talk())
