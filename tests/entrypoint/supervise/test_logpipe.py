"""`entrypoint.supervise.logpipe` as a process: what it ends, and what ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.supervise import orderly_stop
from entrypoint.supervise.descendants import descendants, processes

# A program with a child of its own; both ignore SIGTERM. The numbers are its first line.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    print(os.getpid(), child, flush=True)
time.sleep(600)
"""
RUN = """
import sys
from pathlib import Path
from entrypoint.supervise import logpipe
logpipe.RUN = Path(sys.argv.pop(1))
logpipe.main()
"""


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(*pids: int) -> bool:
    return bool({process.pid for process in processes()} & set(pids))


class Logpipe:
    def __init__(self, folder: Path, program: str) -> None:
        self.cause = folder / "stubborn.cause"
        command = [sys.executable, "-c", RUN, str(folder), "stubborn", sys.executable, "-c"]
        self.process = subprocess.Popen([*command, program], stderr=subprocess.PIPE)

    def line(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline().decode().partition("stubborn: ")[2].strip()


@pytest.fixture
def stubborn(tmp_path: Path) -> tuple[Logpipe, int, int]:
    logpipe = Logpipe(tmp_path, STUBBORN)
    program, child = map(int, logpipe.line().split())
    return logpipe, program, child


def test_a_stop_ends_whatever_does_not_end(stubborn: tuple[Logpipe, int, int]) -> None:
    logpipe, *pids = stubborn
    os.kill(pids[1], signal.SIGSTOP)
    with logpipe.process as process:
        process.terminate()
        assert process.wait(10) == 0
    assert not alive(*pids)
    assert not logpipe.cause.exists()


def test_a_child_does_not_outlive_its_program(stubborn: tuple[Logpipe, int, int]) -> None:
    logpipe, program, child = stubborn
    os.kill(program, signal.SIGKILL)
    with logpipe.process as process:
        assert process.wait(10) == 1
    assert not alive(child)
    assert logpipe.cause.read_text().startswith("killed by signal 9; the last it said: ")


def test_a_program_does_not_outlive_its_logpipe(stubborn: tuple[Logpipe, int, int]) -> None:
    logpipe, program, child = stubborn
    with logpipe.process as process:
        process.kill()
        wait_until(lambda: not alive(program))
        os.kill(child, signal.SIGKILL)


def test_an_exit_status_is_passed_on(tmp_path: Path) -> None:
    with Logpipe(tmp_path, "import sys; print('why'); sys.exit(7)").process as process:
        assert process.wait(10) == 7
    assert (tmp_path / "stubborn.cause").read_text() == (
        "exited with status 7; the last it said: why\n"
    )


def test_descendants_are_children_and_theirs(stubborn: tuple[Logpipe, int, int]) -> None:
    logpipe, program, child = stubborn
    with logpipe.process as process:
        found = {each.pid for each in descendants(process.pid)}
        process.terminate()
        process.wait(10)
    assert found == {program, child}


def test_smtpd_is_asked_for_no_more_than_docker_waits() -> None:
    assert orderly_stop.DELIVERIES_WITHIN < orderly_stop.MESSAGES_WITHIN <= 5


def test_a_module_ends_with_its_standard_input(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text("import sys, time; print(sys.argv); time.sleep(600)")
    command = [sys.executable, "-u", "-m", "entrypoint.supervise.until_eof", "sleeper", "-x"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().strip().endswith(b"sleeper.py', '-x']")
        process.stdin.close()
        assert process.wait(10) == -signal.SIGTERM
