"""Does every port greet, and can logins be checked? Asked again and again while the server starts.

The container's first process asks, and stays in memory for good: so there is no event loop here,
nor anything else that it would load for this alone.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from entrypoint.config.ports import Port
from entrypoint.paths import LOGINS_SOCKET
from entrypoint.probe.greetings import GREETINGS
from entrypoint.probe.tls_contexts import unverified

SECONDS = 2.0  # for each wait
_HOST = "127.0.0.1"


def is_ready(ports: Iterable[Port], logins: Path = LOGINS_SOCKET, seconds: float = SECONDS) -> bool:
    """Whether all of them answer as they should; the first that does not is enough to know."""
    try:
        return _denies(logins, seconds) and all(_greets(port, seconds) for port in ports)
    except OSError:
        return False


def _greets(port: Port, seconds: float) -> bool:
    greeting = GREETINGS[port.protocol]
    with _connected(port, seconds) as link:
        said = link.recv(512)
        link.sendall(f"{greeting.leave}\r\n".encode("ascii"))
        link.recv(512)
    return said.startswith(greeting.first.encode("ascii"))


def _connected(port: Port, seconds: float) -> socket.socket:
    plain = socket.create_connection((_HOST, port.number), seconds)
    if not port.implicit_tls:
        return plain
    with plain:  # TLS takes it over, or fails
        return unverified().wrap_socket(plain)


def _denies(path: Path, seconds: float) -> bool:
    """Whether `filters.logins` answers a question that it must deny."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(seconds)
        link.connect(str(path))
        link.sendall(b"\0")
        link.shutdown(socket.SHUT_WR)
        return link.recv(64) == b"wrong\n"
