"""The guard's socket, and the client that never holds up mail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from filters.guard.client import GuardClient
from filters.guard.login_guard import FIRST_BLOCK, NETWORK_LIMIT, PAIR_LIMIT, LoginGuard
from filters.guard.server import GuardServer
from filters.unix_socket import listen_at

NOW = 1_795_000_000.0
ATTACKER, HOME, ALICE = "198.51.100.7", "203.0.113.20", "alice@example.org"


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="guard-") as folder:  # a short path: sockets need one
        yield Path(folder)


def server(folder: Path) -> GuardServer:
    return GuardServer(LoginGuard(), folder / "blocked.sqlite", lambda: NOW)


@asynccontextmanager
async def serving(guard: GuardServer, folder: Path) -> AsyncIterator[Path]:
    path = folder / "socket"
    task = asyncio.create_task(guard.serve(listen_at(path, 0o666)))
    try:
        yield path
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"\n", b"{}", b"[]", b"null", b"1", b'["begin"]', b'["begin", "s", 1]'),
        *(b'["fail", "s", "1.2.3.4"]', b'["list", 1]', b'["nothing"]', b"\xff\xfe", b"[" * 4000),
        *(b'["begin", "s", "1.2.3.4", "x"]', b'["lift", null]'),
    ],
)
def test_what_is_no_question_gets_null(folder: Path, line: bytes) -> None:
    assert server(folder).answer(line) is None


@pytest.mark.parametrize("address", ["", "x", "1.2.3", "::1", "1.2.3.4.5", "\0", "9" * 5000])
def test_what_is_no_clients_address_is_never_blocked(folder: Path, address: str) -> None:
    guard = GuardServer(LoginGuard(), None)
    for _ in range(NETWORK_LIMIT):
        assert guard.answer(json.dumps(["fail", "s", address, ALICE]).encode()) == 0
    assert guard.answer(json.dumps(["begin", "s", address]).encode()) == 0


def test_a_client_learns_of_blocks_and_lifts_them(folder: Path) -> None:
    async def scene() -> None:
        async with serving(server(folder), folder) as path:
            client = GuardClient(path)
            assert await client.ask("pass", "s", HOME, ALICE) == 0
            for _ in range(PAIR_LIMIT):
                assert await client.ask("begin", "s", ATTACKER) == 0
                assert await client.ask("fail", "s", ATTACKER, f"{ALICE}\n\xff|") == 0
            assert await client.seconds("begin", "s", ATTACKER) == FIRST_BLOCK
            assert await client.seconds("pass", "s", ATTACKER, f"{ALICE}\n\xff|") == FIRST_BLOCK
            assert await client.seconds("pass", "s", HOME, ALICE) == 0
            blocks = await client.ask("list")
            assert blocks == [[ATTACKER, f"{ALICE}\n\xff|", FIRST_BLOCK, 1]]
            assert await client.ask("lift", ATTACKER) == 2
            assert await client.seconds("begin", "s", ATTACKER) == 0

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("login", "shown"),
    [
        (ALICE.upper(), ALICE),
        ("x from 1 network: all is well", '"x from 1 network: all is well"'),
        ('a"\nb', '"a\\"\\nb"'),
        ("é@example.org", '"\\u00e9@example.org"'),
    ],
)
def test_the_line_about_an_attack_cannot_be_forged_by_a_login(
    folder: Path, caplog: pytest.LogCaptureFixture, login: str, shown: str
) -> None:
    guard = server(folder)
    for number in range(3):
        guard.not_looked_at(f"198.51.100.{number}", login, again=False)
    (line,) = (each.getMessage() for each in caplog.records)
    assert line.startswith(f"1 failed logins at {shown} from 1 network: for now ")


def test_many_questions_at_once_get_their_own_answers(folder: Path) -> None:
    async def scene() -> None:
        guard = server(folder)
        for _ in range(PAIR_LIMIT):
            guard.failed(ATTACKER, ALICE)
        async with serving(guard, folder) as path:
            client = GuardClient(path)
            addresses = [ATTACKER if number % 3 else HOME for number in range(300)]
            answers = await asyncio.gather(*(client.ask("begin", "s", each) for each in addresses))
            assert answers == [FIRST_BLOCK if each == ATTACKER else 0 for each in addresses]

    asyncio.run(scene())


def test_a_block_is_kept_at_once_and_the_rest_at_the_end(folder: Path) -> None:
    async def scene() -> None:
        guard = server(folder)
        assert guard._writing is not None
        guard._writing._seconds = 1e6
        async with serving(guard, folder) as path:
            client = GuardClient(path)
            for _ in range(PAIR_LIMIT):
                await client.ask("fail", "s", ATTACKER, ALICE)
            # Killed now, another has the block; it is written in a thread.
            while not server(folder).guard.blocks(NOW):
                await asyncio.sleep(0.01)
            await client.ask("pass", "s", HOME, ALICE)
        assert ("203.0.113.20", ALICE) in server(folder).guard.trusted

    asyncio.run(scene())


def test_nobody_there_is_a_yes_at_once_and_later_asked_again(folder: Path) -> None:
    async def scene() -> None:
        path = folder / "socket"
        client = GuardClient(path)
        assert await client.seconds("begin", "s", ATTACKER) == 0
        guard = server(folder)
        for _ in range(PAIR_LIMIT):
            guard.failed(ATTACKER, ALICE)
        client._not_before = 0.0  # two seconds later
        async with serving(guard, folder):
            assert await client.seconds("begin", "s", ATTACKER) == FIRST_BLOCK
        assert await client.seconds("begin", "s", ATTACKER) == 0
        client._not_before = 0.0
        async with serving(guard, folder):
            assert await client.seconds("begin", "s", ATTACKER) == FIRST_BLOCK

    asyncio.run(scene())


@pytest.mark.parametrize("late", [b"", b"7\n", b"nonsense\n", b"7\n7\n7\n", b"9" * 10_000])
def test_a_guard_that_is_slow_or_mad_holds_up_nobody(folder: Path, late: bytes) -> None:
    async def scene() -> None:
        hold = asyncio.Event()

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readline()
                if late != b"7\n":
                    writer.write(late)
                await hold.wait()
                writer.write(late)
            finally:
                writer.close()

        path = folder / "socket"
        mad = await asyncio.start_unix_server(converse, str(path))
        client = GuardClient(path, timeout=0.05)
        assert await client.ask("begin", "s", ATTACKER) in (None, 7)
        client._not_before = 0.0
        hold.set()
        assert await client.ask("begin", "s", HOME) in (None, 7)
        client.close()
        mad.close()

    asyncio.run(scene())


def test_a_late_answer_is_nobody_elses(folder: Path) -> None:
    async def scene() -> None:
        questions = 0

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal questions
            try:
                while await reader.readline():
                    questions += 1
                    if questions > 1:  # the first answer never comes, on its own connection
                        writer.write(b"600\n")
            finally:
                writer.close()

        path = folder / "socket"
        slow = await asyncio.start_unix_server(converse, str(path))
        client = GuardClient(path, timeout=0.2)
        assert await client.ask("begin", "s", ATTACKER) is None
        client._not_before = 0.0
        assert await client.ask("begin", "s", HOME) == 600  # by a connection of its own
        client.close()
        slow.close()

    asyncio.run(scene())
