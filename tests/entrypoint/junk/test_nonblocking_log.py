"""A log that nobody reads: who writes into it does not wait, and says later what was left out."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from entrypoint.junk.nonblocking_log import NonBlockingHandler
from entrypoint.junk.verdict_server import VerdictServer
from filters.program import OneLineFormatter

from .test_verdict_server import answering, ask, serving

ROOM = 65_536
NOTE = "lines of the log were left out here, since nobody read it"


class Pipe:
    """Who logs has one end, as `logpipe` makes it for a program."""

    def __init__(self) -> None:
        self.reads, writes = os.pipe()
        fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, ROOM)
        os.set_blocking(self.reads, False)
        self.stream: TextIO = os.fdopen(writes, "w", buffering=1, encoding="ascii")
        self.handler = NonBlockingHandler(self.stream)
        self.handler.setFormatter(OneLineFormatter("%(message)s"))

    def read(self) -> list[str]:
        """All that waits."""
        try:
            return os.read(self.reads, 2 * ROOM).decode().splitlines()
        except BlockingIOError:
            return []

    def close(self) -> None:
        os.close(self.reads)
        self.stream.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """All that is logged meanwhile goes into it."""
    pipe = Pipe()
    logger = logging.getLogger("entrypoint")
    level = logger.level
    logger.addHandler(pipe.handler)
    logger.setLevel(logging.INFO)
    yield pipe
    logger.removeHandler(pipe.handler)
    logger.setLevel(level)
    pipe.close()


log = logging.getLogger("entrypoint.junk.test")


@pytest.mark.parametrize("length", [1, 100, 3400, 10_000])
def test_lines_that_there_is_no_room_for_are_left_out_and_counted(pipe: Pipe, length: int) -> None:
    done = threading.Event()

    def write() -> None:
        for number in range(100_000 // min(length, 3400) + 50):
            log.info("%05d%s", number, "x" * length)
        done.set()

    threading.Thread(target=write, daemon=True).start()
    assert done.wait(20)
    before = pipe.read()
    log.warning("again")
    log.info("and again")
    note, *after = pipe.read()
    written = 100_000 // min(length, 3400) + 50
    assert note == f"warning: {written - len(before)} {NOTE}"
    assert after == ["warning: again", "info: and again"]
    assert [line[6:11] for line in before] == [f"{number:05}" for number in range(len(before))]


def test_an_answer_does_not_wait_for_the_log(tmp_path: Path, pipe: Pipe) -> None:
    async def talk() -> None:
        path = tmp_path / "verdict"
        async with serving(path, VerdictServer(tmp_path, judge=answering("no (x)"))):
            for _ in range(ROOM // 50):
                assert await ask(path) == b"no (x)\n"

    done = threading.Event()

    def run() -> None:
        asyncio.run(talk())
        done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(20)
    assert len(pipe.read()) < ROOM // 50
