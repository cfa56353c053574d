"""Which certificate each port shows, for a caller without an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from entrypoint.config.ports import Port
from entrypoint.probe import look


def fingerprints(ports: Iterable[Port], host: str) -> dict[int, str]:
    """SHA-256 of the certificate's DER by port; see entrypoint.probe.look."""
    return asyncio.run(look.fingerprints(ports, host))
