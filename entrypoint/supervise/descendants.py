"""The processes of this container, those below one of them, and their end.

Root without CAP_KILL may not signal another user's process, so it acts as that user for a moment.
Standard library only: `entrypoint.supervise.logpipe` has it in memory as long as the server runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LOOK_EVERY = 0.05  # seconds


@dataclass(frozen=True)
class RunningProcess:
    """One that has not ended, and its real user."""

    pid: int
    parent: int
    user: int


def processes() -> Iterator[RunningProcess]:
    """All that can be seen; not those that have ended and wait to be reaped."""
    for folder in _PROC.iterdir():
        if folder.name.isdecimal() and (process := _read(int(folder.name))):
            yield process


def _read(pid: int) -> RunningProcess | None:
    try:
        text = (_PROC / str(pid) / "status").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    if fields["State"].split()[0] in "ZX":
        return None
    return RunningProcess(pid, int(fields["PPid"]), int(fields["Uid"].split()[0]))


def descendants(of: int) -> list[RunningProcess]:
    """The children of a process, theirs, and so on."""
    everyone = list(processes())
    found, above = list[RunningProcess](), {of}
    while above:
        below = [process for process in everyone if process.parent in above]
        found += below
        above = {process.pid for process in below}
    return found


def of_users(users: Collection[int]) -> list[RunningProcess]:
    """Those whose real user is one of these, in this container alone: its processes may see the
    host's, whose numbers are other people's.
    """
    own = _group(os.getpid())
    return [each for each in processes() if each.user in users and _group(each.pid) == own]


def runs(process: RunningProcess, word: str) -> bool:
    """Whether this is a word of its command line."""
    try:
        return word.encode() in (_PROC / str(process.pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _group(pid: int) -> str | None:
    try:
        return (_PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return None


def send(process: RunningProcess, number: signal.Signals) -> None:
    """Signal it, if it is still there and may be signalled."""
    with contextlib.suppress(ProcessLookupError):
        try:
            os.kill(process.pid, number)
        except PermissionError:
            before = os.geteuid()
            with contextlib.suppress(PermissionError):
                os.seteuid(process.user)
                try:
                    os.kill(process.pid, number)
                finally:
                    os.seteuid(before)


def kill_all(
    find: Callable[[], Collection[RunningProcess]], within: float
) -> Collection[RunningProcess]:
    """SIGKILL what is found until nothing is: who is left after so many seconds."""
    deadline = time.monotonic() + within
    while (found := find()) and time.monotonic() < deadline:
        for process in found:
            send(process, signal.SIGKILL)
        time.sleep(_LOOK_EVERY)
    return found


def wait_for_end(
    find: Callable[[], Collection[RunningProcess]], within: float
) -> Collection[RunningProcess]:
    """Wait until nothing is found: who is left after so many seconds."""
    deadline = time.monotonic() + within
    while (found := find()) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    return found
