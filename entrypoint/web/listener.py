"""A socket that listens on a port of all addresses, as soon as it can be had."""

from __future__ import annotations

import asyncio
import logging
import socket

from filters.log_throttle import LogThrottle

log = logging.getLogger(__name__)

_LONGEST_WAIT = 60.0  # seconds between two tries to listen


async def listening(port: int) -> socket.socket:
    """A socket that listens on all addresses. Mail goes on without it, so it is tried for ever."""
    wait, failing = 1.0, LogThrottle(log)
    while True:
        try:
            return _listen(port)
        except OSError as error:
            failing.warning("port %d: %s; trying again", port, error.strerror, cause=error.strerror)
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=128, dualstack_ipv6=True
        )
    return socket.create_server(("", port), backlog=128)
