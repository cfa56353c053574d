"""supervisor's way to its programs: they log by themselves, and those in Python are its forks."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

# In memory before the forks that run it.
from entrypoint.supervise import logpipe as logpipe
from entrypoint.supervise.control_server import left_out
from entrypoint.supervise.forks import become, is_fork

with left_out():
    from supervisor.options import ServerOptions

_PIPES = ("stdin", "stdout", "stderr")


class Options(ServerOptions):  # type: ignore[misc]  # it has no types
    """What supervisor asks of the system, where it is done otherwise here."""

    _mask: frozenset[int] = frozenset()

    def make_http_servers(self, _: Any) -> list[Any]:
        """None (`control_server`)."""
        return []

    def make_pipes(self, _: bool = True) -> dict[str, int | None]:
        """A program has the container's own output: supervisor's loop would only be one step more
        for each line, and where that waits for a reader, so would everything else of it.
        """
        pipes: dict[str, int | None] = dict.fromkeys(_PIPES)
        try:
            pipes["child_stdin"] = os.open(os.devnull, os.O_RDONLY)
            pipes["child_stdout"] = os.dup(1)
            pipes["child_stderr"] = os.dup(2)
        except OSError:
            for number in pipes.values():
                if number is not None:
                    os.close(number)
            raise
        return pipes

    def fork(self) -> int:
        """No signal comes to a fork before it has forgotten what supervisor does at one."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._mask = frozenset(before)
        child: int = -1
        try:
            child = super().fork()
        finally:
            if child:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return child

    def execve(self, filename: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Called in the child. Raises OSError where it cannot become that."""
        if is_fork(argv):
            become(argv, env, self._mask)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        super().execve(filename, argv, env)

    def begin(self, module: str, *arguments: str) -> int:
        """Run one of our forks beside the programs; a descriptor that stands for its process."""
        child = self.fork()
        if not child:
            os.closerange(3, self.minfds)
            become(["python", "-m", module, *arguments], dict(os.environ), self._mask)
        return os.pidfd_open(child)
