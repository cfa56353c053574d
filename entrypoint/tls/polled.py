"""A program that is polled and never waited for, and what it has printed when it has ended.

It must not know what the program is for.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from tempfile import TemporaryFile


class PolledProcess:
    """One run."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        seconds: float,
        *,
        stderr: int,
    ) -> None:
        """Start it. environ: its whole environment. seconds: then it is killed. stderr: as for
        Popen. Raises OSError.
        """
        self._output = TemporaryFile()  # noqa: SIM115 -- closed when the program has ended
        self._deadline = time.monotonic() + seconds
        self._process = subprocess.Popen(  # noqa: S603 -- the caller's
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=stderr, env=environ
        )

    def ended(self) -> tuple[int, bytes] | None:
        """Its status (negative: by a signal) and output, once; None while it runs."""
        status = self._process.poll()
        if status is None:
            if time.monotonic() > self._deadline:
                self._process.kill()
            return None
        self._output.seek(0)
        said = self._output.read()
        self._output.close()
        return status, said
