"""A program that is polled: its end, its output, and the time that it has."""

from __future__ import annotations

import signal
import subprocess
import sys

from entrypoint.tls.polled import PolledProcess

SPEAKS = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"


def ended(process: PolledProcess) -> tuple[int, bytes]:
    """Its end, as whoever polls it meets it."""
    while (end := process.ended()) is None:
        pass
    return end


def test_the_status_and_what_was_printed() -> None:
    command = [sys.executable, "-c", SPEAKS]
    process = PolledProcess(command, {}, 60, stderr=subprocess.STDOUT)
    assert ended(process) == (3, b"out\nerr\n")
    process = PolledProcess(command, {}, 60, stderr=subprocess.DEVNULL)
    assert ended(process) == (3, b"out\n")


def test_one_whose_time_is_over_is_killed() -> None:
    process = PolledProcess(["/bin/sleep", "60"], {}, 0, stderr=subprocess.DEVNULL)
    assert ended(process) == (-signal.SIGKILL, b"")
