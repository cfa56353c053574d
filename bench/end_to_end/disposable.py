"""Servers whose state nobody wants: they are killed, all that they have started with them."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from bench.processes import descendants
from bench.server import Server


class Disposable(Server):
    """Such a server."""

    def stop(self) -> None:
        kill_all(self)
        super().stop()


def kill_all(server: Server) -> None:
    """What `stop` finds ended, then."""
    if server.process is not None:
        for pid in descendants(server.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
