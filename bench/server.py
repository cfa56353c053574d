"""A server of a run: its process and all that it starts, from when it answers to its end.

It must not know which server it is, nor what is measured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

RUN = Path("/run/bench")  # what a run writes


class Server:
    """A process in its own group, with its output in RUN/NAME.log; `environment` is added."""

    environment: Mapping[str, str] = {}
    patience = 60.0  # seconds that it may take to start

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.command = command
        self.log = RUN / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """What has to be there before the start."""

    def ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.prepare()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                env={**os.environ, **self.environment},
            )
        try:
            self._wait(self.process, self.ready)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()

    def _wait(self, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.patience
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text("utf-8", "replace")[-2_000:]
                raise RuntimeError(f"{self.name} does not start:\n{tail}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """Its id, the parent's of all that belong to it."""
        if self.process is None:
            raise RuntimeError(f"{self.name} does not run")
        return self.process.pid

    def stop(self) -> None:
        """End it, and whatever of its group is left."""
        process = self.process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        self.process = None
