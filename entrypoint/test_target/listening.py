"""Sockets on which the target listens, on every address of the machine where it has IPv6 or not."""

from __future__ import annotations

import socket

_BACKLOG = 1_024


def listen(address: str, port: int) -> socket.socket:
    """address: "::" is every one, of IPv4 as well. Raises OSError that names the place."""
    try:
        if address == "::" and socket.has_dualstack_ipv6():
            return socket.create_server(
                (address, port),
                family=socket.AF_INET6,
                backlog=_BACKLOG,
                dualstack_ipv6=True,
                reuse_port=False,
            )
        place = "0.0.0.0" if address == "::" else address  # noqa: S104 -- as asked for
        family = socket.AF_INET6 if ":" in place else socket.AF_INET
        return socket.create_server((place, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(error.errno, f"port {port} of {address}: {error.strerror}") from error
