"""Programs and copies of this process: end, output, time, and what goes on beside them."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from entrypoint.config.problems import ConfigurationError
from entrypoint.files import locked
from entrypoint.processes import Ended, in_child, run_program

from ..container.harness.shell import wait_until
from ..refusing_disk import refusing

Value = TypeVar("Value")
SPEAKS = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
# A program whose own child would hold a pipe open.
LEAVES = "import subprocess; print('out', flush=True); subprocess.Popen(['sleep', '60'])"


def run(command: list[str], seconds: float = 60, *, merged: bool = False) -> Ended:
    return asyncio.run(run_program(command, seconds, merged=merged))


def beside(work: Callable[[], Awaitable[Value]]) -> tuple[Value, int]:
    """What comes of it, and how many steps of other work there were meanwhile."""

    async def both() -> tuple[Value, int]:
        task, steps = asyncio.ensure_future(work()), 0
        while not task.done():
            await asyncio.sleep(0.01)
            steps += 1
        return task.result(), steps

    return asyncio.run(both())


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return True


class TestPrograms:
    def test_the_status_and_what_was_printed(self) -> None:
        command = [sys.executable, "-c", SPEAKS]
        assert run(command) == Ended(3, b"out\n", b"err\n")
        assert run(command, merged=True) == Ended(3, b"out\nerr\n")

    def test_what_was_printed_needs_no_disk(self) -> None:
        with refusing(Path(tempfile.gettempdir()), errno.EROFS):
            assert run([sys.executable, "-c", SPEAKS]) == Ended(3, b"out\n", b"err\n")

    def test_one_whose_time_is_over_is_killed_with_what_it_started(self, tmp_path: Path) -> None:
        numbers = tmp_path / "numbers"
        script = f"sleep 60 & echo $! $$ > {numbers}.new; mv {numbers}.new {numbers}; wait"
        with pytest.raises(TimeoutError):
            run(["/bin/sh", "-c", script], 1.0)
        started = numbers.read_text().split()
        # The kernel ends a killed process in its own time.
        wait_until(lambda: all(is_gone(int(number)) for number in started), "their end")

    def test_one_that_nobody_waits_for_any_more_is_killed(self, tmp_path: Path) -> None:
        number = tmp_path / "number"

        async def leave() -> None:
            script = f"echo $$ > {number}.new; mv {number}.new {number}; exec sleep 60"
            task = asyncio.create_task(run_program(["/bin/sh", "-c", script], 60))
            while not number.exists():
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait({task})

        asyncio.run(leave())
        wait_until(lambda: is_gone(int(number.read_text())), "its end")

    def test_what_a_program_leaves_behind_is_not_waited_for(self) -> None:
        begin = time.monotonic()
        assert run([sys.executable, "-c", LEAVES]).output == b"out\n"
        assert time.monotonic() - begin < 30

    def test_other_work_goes_on(self) -> None:
        ended, steps = beside(lambda: run_program(["/bin/sleep", "0.5"], 60))
        assert ended.status == 0
        assert steps > 10

    def test_a_program_that_is_not_there(self) -> None:
        with pytest.raises(FileNotFoundError):
            run(["/no/such/program"])


class TestChildren:
    def test_what_is_returned_and_raised(self) -> None:
        assert asyncio.run(in_child(lambda: {"a": 1}, 60)) == {"a": 1}
        with pytest.raises(ConfigurationError) as caught:
            asyncio.run(in_child(lambda: fail(ConfigurationError(["one", "two"])), 60))
        assert caught.value.errors == ["one", "two"]
        with pytest.raises(OSError, match="No such file") as missing:
            asyncio.run(in_child(lambda: Path("/no/such").read_bytes(), 60))
        assert missing.value.filename == "/no/such"

    def test_an_answer_that_is_larger_than_a_pipe(self) -> None:
        assert len(asyncio.run(in_child(lambda: b"x" * 5_000_000, 60))) == 5_000_000

    def test_one_that_ends_without_an_answer(self) -> None:
        with pytest.raises(RuntimeError, match="ended with status -9"):
            asyncio.run(in_child(lambda: os.kill(os.getpid(), signal.SIGKILL), 60))

    def test_rights_of_another_user_are_never_those_of_the_parent(self) -> None:
        """While a child has them, other work goes on in the parent, with files perhaps."""
        seen = set[int]()

        def act() -> int:
            os.seteuid(65_534)
            time.sleep(0.3)
            return os.geteuid()

        async def both() -> int:
            task = asyncio.ensure_future(in_child(act, 60))
            while not task.done():
                seen.add(os.geteuid())
                await asyncio.sleep(0.01)
            return task.result()

        if os.geteuid() == 0:
            assert asyncio.run(both()) == 65_534
            assert seen == {0}

    def test_a_lock_is_waited_for_and_holds_nothing_up(self, tmp_path: Path) -> None:
        def wait() -> str:
            with locked(tmp_path / "lock"):
                return "inside"

        async def twice() -> str:
            holder = asyncio.ensure_future(in_child(lambda: hold(tmp_path / "lock"), 60))
            while not (tmp_path / "held").exists():
                await asyncio.sleep(0.01)
            found = await in_child(wait, 60)
            await holder
            return found

        found, steps = beside(twice)
        assert found == "inside"
        assert steps > 10

    def test_one_whose_time_is_over_has_ended_before_anybody_hears_of_it(
        self, tmp_path: Path
    ) -> None:
        def stuck() -> None:
            (tmp_path / "number").write_text(str(os.getpid()))
            time.sleep(60)

        with pytest.raises(TimeoutError):
            asyncio.run(in_child(stuck, 0.5))
        assert is_gone(int((tmp_path / "number").read_text()))

    def test_one_whose_parent_is_killed_ends_in_time(self, tmp_path: Path) -> None:
        code = (
            "import asyncio, os, time\n"
            "from pathlib import Path\n"
            "from entrypoint.processes import in_child\n"
            "def stuck():\n"
            f"    Path({str(tmp_path / 'new')!r}).write_text(str(os.getpid()))\n"
            f"    os.rename({str(tmp_path / 'new')!r}, {str(tmp_path / 'number')!r})\n"
            "    time.sleep(60)\n"
            "asyncio.run(in_child(stuck, 1.0))\n"
        )

        async def kill() -> None:
            environ = {"PYTHONPATH": str(Path(__file__).parents[2])}
            run = run_program([sys.executable, "-c", code], 60, environ=environ)
            task = asyncio.create_task(run)
            while not (tmp_path / "number").exists():
                assert not task.done(), task.result()
                await asyncio.sleep(0.01)
            parent = int(Path(f"/proc/{number()}/stat").read_text().rpartition(") ")[2].split()[1])
            os.kill(parent, signal.SIGKILL)
            await task

        def number() -> int:
            return int((tmp_path / "number").read_text())

        asyncio.run(kill())
        deadline = time.monotonic() + 10
        while not is_gone(number()):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def fail(error: Exception) -> None:
    raise error


def hold(lock: Path) -> None:
    with locked(lock):
        (lock.parent / "held").touch()
        time.sleep(0.5)
