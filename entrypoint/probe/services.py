"""Questions for our own programs: the checker of passwords, the web service, maintenance."""

from __future__ import annotations

from pathlib import Path

from entrypoint.paths import MAINTENANCE_SOCKET, RUN
from entrypoint.probe.asking import Probe, WrongAnswer
from entrypoint.probe.conversation import at_port, at_socket

LOGINS = RUN / "logins/socket"


async def logins(probe: Probe, path: Path = LOGINS) -> None:
    """A question that filters.logins must deny."""
    async with at_socket(path) as link:
        probe.step = "question"
        await link.send("\0")
        link.end_writing()
        await link.expect("wrong")


async def maintenance(probe: Probe, path: Path = MAINTENANCE_SOCKET) -> None:
    """A question that it answers at once, whatever it is applying."""
    async with at_socket(path) as link:
        probe.step = "ping"
        await link.send('{"request": "ping"}\n')
        await link.expect('{"ok": true')


async def web(number: int, probe: Probe, *, tls: bool, host: str = "127.0.0.1") -> None:
    """Any answer in HTTP (RFC 9110)."""
    async with at_port(number, probe, tls=tls, host=host) as link:
        probe.step = "request"
        await link.send("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        if not (said := await link.some()).startswith(b"HTTP/1."):
            raise WrongAnswer(f"no HTTP: {said[:80]!r}")
