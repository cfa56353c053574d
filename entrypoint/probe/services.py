"""Questions for our own programs: the checker of passwords, the web service, the keeper."""

from __future__ import annotations

import time
from pathlib import Path

from entrypoint.paths import LOGINS_SOCKET, RUN
from entrypoint.probe.asking import HOST, Probe, at_port
from entrypoint.probe.dialog import DialogError, socket_dialog

# The keeper writes it each time it comes round.
ALIVE = RUN / "keeper.alive"
# How long a change may take to be applied: thousands of passwords are hashed one by one.
_ROUND = 120.0  # seconds


async def logins(probe: Probe, path: Path = LOGINS_SOCKET) -> None:
    """A question that filters.logins must deny."""
    async with socket_dialog(path) as link:
        probe.step = "question"
        await link.write("\0")
        link.end_writing()
        await link.expect("wrong")


async def web(number: int, probe: Probe, *, tls: bool, host: str = HOST) -> None:
    """Any answer in HTTP (RFC 9110)."""
    async with at_port(number, probe, tls=tls, host=host) as link:
        probe.step = "request"
        await link.write("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        if not (said := await link.some()).startswith(b"HTTP/1."):
            raise DialogError(f"no HTTP: {said[:80]!r}")


def idle(now: float, path: Path = ALIVE) -> float:
    """For how many seconds too long the keeper has not come round; 0 where all is well.

    now: Unix time. A clock that was set back says nothing.
    """
    try:
        age = now - path.stat().st_mtime
    except OSError:  # it is just starting
        return 0.0
    return age if age > _ROUND else 0.0


def now() -> float:
    """Unix time."""
    return time.time()
