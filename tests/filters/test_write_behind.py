"""State that is written behind the work: at once, then now and then, and at the end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from filters.write_behind import WriteBehind

PATH = Path("/var/state.json")


class Disk:
    """Counts up in memory; what is written, and by which thread."""

    def __init__(self, *, seconds: float = 3600.0) -> None:
        self.count = self.taken = 0
        self.written: list[int] = []
        self.threads: set[int] = set()
        self.free = threading.Event()
        self.free.set()
        self.error: OSError | None = None
        self.behind = WriteBehind(PATH, self.take, self.write, seconds=seconds)

    def take(self) -> int | None:
        if self.taken == self.count:
            return None
        self.taken = self.count
        return self.count

    def write(self, count: int) -> None:
        self.threads.add(threading.get_ident())
        assert self.free.wait(10)
        if self.error is not None:
            raise self.error
        self.written.append(count)

    def change(self, *, urgent: bool = False) -> None:
        self.count += 1
        self.behind.changed(urgent=urgent)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def test_the_first_change_is_written_at_once_and_the_others_at_the_end() -> None:
    disk = Disk()

    async def work() -> None:
        disk.change()
        await until(lambda: disk.written == [1])
        for _ in range(10):
            disk.change()
        await asyncio.sleep(0)
        assert disk.written == [1]

    asyncio.run(work())
    assert threading.get_ident() not in disk.threads
    disk.behind.finish()
    assert disk.written == [1, 11]
    disk.behind.finish()
    assert disk.written == [1, 11]


def test_what_is_urgent_does_not_wait() -> None:
    disk = Disk()

    async def work() -> None:
        disk.change()
        await until(lambda: disk.written == [1])
        disk.change()
        disk.change(urgent=True)
        await until(lambda: disk.written == [1, 3])

    asyncio.run(work())


def test_changes_are_collected_for_a_while() -> None:
    disk = Disk(seconds=0.01)

    async def work() -> None:
        for _ in range(5):
            disk.change()
            await until(lambda: disk.written[-1:] == [disk.count])

    asyncio.run(work())
    assert disk.written == [1, 2, 3, 4, 5]


def test_a_disk_that_hangs_holds_up_nobody_and_gets_one_write_at_a_time() -> None:
    disk = Disk()
    disk.free.clear()

    async def work() -> None:
        for _ in range(5):
            disk.change(urgent=True)
            await asyncio.sleep(0)
        await until(lambda: len(disk.threads) == 1)
        disk.free.set()
        await until(lambda: disk.written[-1:] == [5])
        assert len(disk.written) <= 2

    asyncio.run(work())


def test_another_thread_may_say_what_has_changed() -> None:
    disk = Disk()

    async def work() -> None:
        disk.change()
        await until(lambda: disk.written == [1])
        await asyncio.to_thread(disk.change, urgent=True)
        await until(lambda: disk.written == [1, 2])

    asyncio.run(work())
    disk.change()  # the loop has ended
    disk.behind.finish()
    assert disk.written == [1, 2, 3]


def test_before_there_is_a_loop_it_is_written_at_the_end() -> None:
    disk = Disk()
    disk.change()
    assert disk.written == []
    disk.behind.finish()
    assert disk.written == [1]


def test_a_full_disk_is_logged_once_until_it_has_room(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    disk = Disk()
    disk.error = OSError(28, "No space left on device")
    for _ in range(3):
        disk.change()
        disk.behind.finish()
    line = "/var/state.json: it cannot be written: No space left on device"
    again = "/var/state.json: written again"
    assert caplog.messages == [line]
    disk.error = None
    disk.change()
    disk.behind.finish()
    assert disk.written == [4]
    disk.error = OSError(28, "No space left on device")
    disk.change()
    disk.behind.finish()
    assert caplog.messages == [line, again, line]
