"""Questions for our own programs: the checker of passwords, the web service, maintenance."""

from __future__ import annotations

from pathlib import Path

from entrypoint.paths import LOGINS_SOCKET, MAINTENANCE_SOCKET
from entrypoint.probe.asking import HOST, Probe, at_port
from entrypoint.probe.dialog import DialogError, socket_dialog


async def logins(probe: Probe, path: Path = LOGINS_SOCKET) -> None:
    """A question that filters.logins must deny."""
    async with socket_dialog(path) as link:
        probe.step = "question"
        await link.write("\0")
        link.end_writing()
        await link.expect("wrong")


async def maintenance(probe: Probe, path: Path = MAINTENANCE_SOCKET) -> None:
    """A question that it answers at once, whatever it is applying."""
    async with socket_dialog(path) as link:
        probe.step = "ping"
        await link.write('{"request": "ping"}\n')
        await link.expect('{"ok": true')


async def web(number: int, probe: Probe, *, tls: bool, host: str = HOST) -> None:
    """Any answer in HTTP (RFC 9110)."""
    async with at_port(number, probe, tls=tls, host=host) as link:
        probe.step = "request"
        await link.write("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        if not (said := await link.some()).startswith(b"HTTP/1."):
            raise DialogError(f"no HTTP: {said[:80]!r}")
