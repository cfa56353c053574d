"""Asks ports for their greeting, as a client would."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence

from entrypoint.config.ports import Port, Protocol

# How a greeting begins, and how to leave. ManageSieve tells its capabilities, and OK in the end
# (RFC 5804 §1.7).
_GREETING: dict[Protocol, bytes] = {
    "smtp": b"220 ",
    "imap": b"* OK",
    "pop3": b"+OK",
    "sieve": b'"IMPLEMENTATION"',
}
_LEAVE: dict[Protocol, bytes] = {
    "smtp": b"QUIT\r\n",
    "imap": b"a LOGOUT\r\n",
    "pop3": b"QUIT\r\n",
    "sieve": b"LOGOUT\r\n",
}


def check_banners(
    ports: Sequence[Port], host: str = "127.0.0.1", timeout: float = 5.0
) -> list[str]:
    """What is wrong, a line a port; empty if every port greets within `timeout` s."""
    return [problem for port in ports if (problem := _check(host, port, timeout))]


def _check(host: str, port: Port, timeout: float) -> str | None:
    try:
        with socket.create_connection((host, port.number), timeout) as plain:
            plain.settimeout(timeout)
            link: socket.socket = plain
            if port.implicit_tls:
                # Whether the certificate is good is another question than whether it lives.
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                link = context.wrap_socket(plain)
            banner = link.recv(512)
            link.sendall(_LEAVE[port.protocol])
            link.recv(512)
    except OSError as error:
        return f"port {port.number}: {error}"
    if banner.startswith(_GREETING[port.protocol]):
        return None
    return f"port {port.number}: no greeting: {banner[:80]!r}"
