"""What is seen of a junk filter, from a socket with every kind of program behind it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from entrypoint.probe import junk_filter

MEANS = "mail is delivered without its verdict"


def look(folder: Path, answer: bytes | None = None, seconds: float = 5) -> list[str]:
    """answer: what the program says; None where none listens."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"\0\0\0\0"
        writer.write(answer or b"")
        writer.close()

    async def run() -> list[str]:
        if answer is None:
            return await junk_filter.troubles(folder, seconds=seconds)
        async with await asyncio.start_unix_server(reply, folder / "verdict"):
            return await junk_filter.troubles(folder, seconds=seconds)

    return asyncio.run(run())


def test_one_that_answers_is_well(tmp_path: Path) -> None:
    assert look(tmp_path, b"ok\n") == []


def test_without_its_folder_there_is_none(tmp_path: Path) -> None:
    assert look(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"alice@example.org: the words cannot be read\n", None),
        (b"", "it cannot be asked: the connection was closed; " + MEANS),
        (b"no end of line", "it cannot be asked: the connection was closed; " + MEANS),
        (b"x" * 10_000 + b"\n", "it cannot be asked: a line that is too long; " + MEANS),
    ],
)
def test_what_it_says_is_said(tmp_path: Path, answer: bytes, said: str | None) -> None:
    said = said or answer.decode().strip()
    assert look(tmp_path, answer) == [f"the junk filter: {said}"]


def test_one_that_does_not_run(tmp_path: Path) -> None:
    assert look(tmp_path) == [f"the junk filter: it does not run; {MEANS}"]
    with socket.socket(socket.AF_UNIX) as dead:  # its socket, after a kill
        dead.bind(str(tmp_path / "verdict"))
    assert look(tmp_path) == [f"the junk filter: it does not run; {MEANS}"]


def test_one_that_hangs(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(tmp_path / "verdict"))
        hung.listen()
        began = time.monotonic()
        found = look(tmp_path, seconds=0.3)
        assert time.monotonic() - began < 2
    assert found == [f"the junk filter: it does not answer within 0.3 s; {MEANS}"]


def test_a_delivery_that_had_no_answer_is_said_for_a_while(tmp_path: Path) -> None:
    stamp = tmp_path / "silent"
    assert junk_filter.late_answers(stamp) == []
    stamp.touch()
    late = "a delivery of the last ten minutes had no answer in time, and no verdict"
    said = [f"the junk filter: {late}"]
    assert (junk_filter.late_answers(stamp), look(tmp_path, b"ok\n")) == (said, said)
    # Long ago; or a clock has been set back since.
    for away in (-700, 86_400):
        os.utime(stamp, (time.time() + away,) * 2)
        (tmp_path / "verdict").unlink(missing_ok=True)
        assert (junk_filter.late_answers(stamp), look(tmp_path, b"ok\n")) == ([], [])
