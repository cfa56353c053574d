"""Where the doctor looks at this server; tests have it look elsewhere."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from entrypoint import paths
from entrypoint.doctor import clock, queue
from entrypoint.probe.http import WEB
from entrypoint.probe.listeners import IMAPS, LISTENERS, Listener, trusting


@dataclass(frozen=True)
class Probes:
    """Where to look.

    smtp_port: that of our public addresses and of foreign MXs. now: Unix time, None for the
    clock's. connect_to: which address to take in another's place.
    """

    loopback: str = "127.0.0.1"
    listeners: tuple[Listener, ...] = LISTENERS
    imaps: Listener = IMAPS
    web: tuple[Listener, ...] = WEB
    smtp_port: int = 25
    trust: ssl.SSLContext = field(default_factory=trusting)
    data: Path = paths.DATA
    spool: Path = paths.SPOOL
    clients: Path = paths.CLIENT_COUNTS
    built: Path = clock.BUILT
    queue: Sequence[str] = queue.SMTPCTL
    now: float | None = None
    connect_to: Mapping[str, str] = field(default_factory=dict)

    def at(self, address: str) -> str:
        """Where to connect to for an address."""
        return self.connect_to.get(address, address)

    def time(self) -> float:
        """Unix time."""
        return time.time() if self.now is None else self.now
