"""Whom an account has written to arrives in its state, and nothing else does."""

from __future__ import annotations

import asyncio
import logging
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.junk.account_state import open_existing
from entrypoint.junk.written_to import receive_written_to, take_down
from entrypoint.paths import account_home

ALICE, BOB = "alice@example.org", "bob@far.example"
SAID = f"{ALICE}\0{BOB}".encode()


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    account_home(ALICE, tmp_path / "mail").mkdir(parents=True)
    return tmp_path / "mail"


def knows(mail: Path, address: str = BOB, account: str = ALICE) -> bool:
    state = open_existing(account_home(account, mail))
    if state is None:
        return False
    with state:
        return state.was_written_to(address)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0",
        b"x" * 200_000,
        b"\xff" * 100,
        f"carol@example.org\0{BOB}".encode(),  # no account with mail
        f"../../x@example.org\0{BOB}".encode(),
        f"..@..\0{BOB}".encode(),
        f"alice@../mail/example.org\0{BOB}".encode(),
        f"{ALICE}\0{BOB}\n".encode(),
    ],
)
def test_what_is_not_taken_down(datagram: bytes, mail: Path) -> None:
    before = sorted(mail.rglob("*"))
    take_down(datagram, mail)
    assert sorted(mail.rglob("*")) == before


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.01)


def test_what_is_said_is_taken_down_whatever_else_comes(
    tmp_path: Path, mail: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "written-to"
    # A broken state is one account's trouble, and is said once.
    broken = account_home("broken@example.org", mail)
    broken.mkdir()
    (broken / "junk").write_text("no folder")

    async def run() -> None:
        receiving = asyncio.create_task(receive_written_to(path, mail))
        await until(path.is_socket)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            for datagram in (b"", b"\xff" * 60_000, f"broken@example.org\0{BOB}".encode()) * 2:
                sender.sendto(datagram, str(path))
            sender.sendto(SAID, str(path))
            await until(lambda: knows(mail))
            assert not receiving.done()
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("whom an account has written to is lost: ")
    assert "broken" in line


def test_it_takes_the_place_of_one_that_was_killed(tmp_path: Path, mail: Path) -> None:
    path = tmp_path / "written-to"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as killed:
        killed.bind(str(path))

    async def run() -> None:
        receiving = asyncio.create_task(receive_written_to(path, mail))

        def said() -> bool:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                try:
                    sender.sendto(SAID, str(path))
                except OSError:
                    return False
            return knows(mail)

        await until(said)
        receiving.cancel()

    asyncio.run(run())
