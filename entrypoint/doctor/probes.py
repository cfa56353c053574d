"""Where the doctor looks at this server; tests have it look elsewhere."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from entrypoint import paths
from entrypoint.config.ports import IMAP_PORTS, SMTP_PORTS, WEB_PORTS, Port
from entrypoint.doctor import clock
from entrypoint.probe.look import Look, look
from entrypoint.probe.tls_contexts import trusting
from entrypoint.smtpctl import SMTPCTL


@dataclass(frozen=True)
class Probes:
    """Where to look.

    smtp_port: that of our public addresses and of foreign MXs. now: Unix time, None for the
    clock's. connect_to: which address to take in another's place.
    """

    loopback: str = "127.0.0.1"
    smtp: tuple[Port, ...] = SMTP_PORTS
    imaps: tuple[Port, ...] = tuple(port for port in IMAP_PORTS if port.implicit_tls)
    web: tuple[Port, ...] = WEB_PORTS
    smtp_port: int = 25
    trust: ssl.SSLContext = field(default_factory=trusting)
    data: Path = paths.DATA
    spool: Path = paths.SPOOL
    clients: Path = paths.CLIENT_COUNTS
    built: Path = clock.BUILT
    smtpctl: Sequence[str] = SMTPCTL
    now: float | None = None
    connect_to: Mapping[str, str] = field(default_factory=dict)

    def at(self, address: str) -> str:
        """Where to connect to for an address."""
        return self.connect_to.get(address, address)

    async def look(self, address: str, ports: Sequence[Port], host: str) -> list[Look]:
        """What the ports of an address show, all at once. host: the name to ask for."""
        at = self.at(address)
        seen = await asyncio.gather(*(look(at, port, host, self.trust) for port in ports))
        return [replace(each, address=address) for each in seen]

    def time(self) -> float:
        """Unix time."""
        return time.time() if self.now is None else self.now
