"""Asking who is over quota, of a real socket: questions, answers, and every kind of silence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from filters.quota_status import AT_ONCE

from .quota_server import asking, listening, run, usual


def test_all_have_to_be_full(tmp_path: Path) -> None:
    async def work() -> None:
        async with listening(tmp_path / "s"), asking(tmp_path / "s") as quotas:
            assert await quotas.all_full(["alice@example.org"])
            assert await quotas.all_full(["alice@example.org", "carol@example.org"])
            assert not await quotas.all_full(["bob@example.org"])
            assert not await quotas.all_full(["alice@example.org", "bob@example.org"])
            assert not await quotas.all_full([])

    run(work())


def test_one_connection_is_kept_and_a_crowd_gets_a_few(tmp_path: Path) -> None:
    async def work() -> None:
        async with listening(tmp_path / "s") as dovecot, asking(tmp_path / "s") as quotas:
            for _ in range(3):
                assert await quotas.all_full(["alice@example.org"])
            assert len(dovecot.writers) == 1
            crowd = [quotas.all_full([f"{n}@example.org"]) for n in range(100)]
            assert not any(await asyncio.gather(*crowd))
            assert len(dovecot.writers) <= AT_ONCE
            assert len(dovecot.asked) == 103

    run(work())


def test_after_a_pause_it_connects_anew(tmp_path: Path) -> None:
    async def work() -> None:
        async with listening(tmp_path / "s") as dovecot, asking(tmp_path / "s") as quotas:
            assert await quotas.all_full(["alice@example.org"])
            await dovecot.hang_up()
            assert await quotas.all_full(["alice@example.org"])

    run(work())


@pytest.mark.parametrize(
    "answer",
    [None, b"", b"action=DUNNO\n\n", b"action=\n\n", b"x" * 70_000, b"action=FULL\n"],
    ids=["broken off", "nothing", "another", "empty", "endless", "half"],
)
def test_anything_else_is_not_full(tmp_path: Path, answer: bytes | None) -> None:
    async def work() -> None:
        async with (
            listening(tmp_path / "s", lambda account: answer),
            asking(tmp_path / "s", timeout=0.2) as quotas,
        ):
            assert not await quotas.all_full(["alice@example.org"])

    run(work())


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    async def work() -> None:
        gate = asyncio.Event()
        late: list[asyncio.Task[None]] = []

        async def held_back(writer: asyncio.StreamWriter) -> None:
            await gate.wait()
            writer.write(b"action=FULL\n\n")

        async with listening(tmp_path / "s") as dovecot, asking(tmp_path / "s", 0.2) as quotas:

            def answer(account: str) -> bytes:
                if account != "alice@example.org":
                    return usual(account)
                late.append(asyncio.create_task(held_back(dovecot.writers[-1])))
                return b""

            dovecot.answer = answer
            assert not await quotas.all_full(["alice@example.org"])
            gate.set()
            await asyncio.gather(*late)
            assert not await quotas.all_full(["bob@example.org"])

    run(work())


def test_silence_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with asking(tmp_path / "s") as quotas:
            assert not await quotas.all_full(["alice@example.org"])
            assert not await quotas.all_full(["alice@example.org"])
            assert caplog.text.count("nobody says who is over quota") == 1
            async with listening(tmp_path / "s"):
                assert await quotas.all_full(["alice@example.org"])
            (tmp_path / "s").unlink(missing_ok=True)
            assert not await quotas.all_full(["alice@example.org"])
            assert caplog.text.count("nobody says who is over quota") == 2

    run(work())
