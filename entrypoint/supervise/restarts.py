"""A program is to start anew: asked for by one process, done by supervisor's.

The request is a file below /run/signpost, which only root can write to; it is there until the
program has been started again. Such an end is wanted, so it counts as no failure. It must not know
why somebody asks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supervisor.states import ProcessStates

from entrypoint.paths import RUN

_UP = frozenset({ProcessStates.STARTING, ProcessStates.RUNNING})


def request(program: str, run: Path = RUN) -> None:
    """Have a program end and start again. Raises OSError."""
    _file(program, run).touch(mode=0o600)


def is_pending(program: str, run: Path = RUN) -> bool:
    """Has it still to be started again?"""
    return _file(program, run).exists()


def _file(program: str, run: Path) -> Path:
    return run / f"{program}.restart"


class Restarts:
    """Does what was asked for, in the process that supervises; `look` is called about each second.

    A process is supervisor's Subprocess. One that a person stopped stays so, and one that is about
    to be started anyway will read whatever is new.
    """

    def __init__(self, run: Path = RUN) -> None:
        self._run = run
        self._ending: set[str] = set()

    def forget(self, programs: list[str]) -> None:
        """Drop what was asked of the container's last run."""
        for program in programs:
            _file(program, self._run).unlink(missing_ok=True)

    def look(self, processes: dict[str, Any]) -> None:
        """Take each process that is to start anew one step on."""
        for program, process in processes.items():
            if program in self._ending:
                if process.state == ProcessStates.STOPPED:
                    self._ending.discard(program)
                    process.spawn()
                    _file(program, self._run).unlink(missing_ok=True)
            elif is_pending(program, self._run):
                if process.state in _UP:
                    self._ending.add(program)
                    process.stop()
                elif process.state != ProcessStates.STOPPING:
                    _file(program, self._run).unlink(missing_ok=True)
