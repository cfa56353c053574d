"""Asks the three SMTP ports for their greeting, as a client would."""

from __future__ import annotations

import socket
import ssl

PORTS = (25, 465, 587)
IMPLICIT_TLS = frozenset({465})


def check_banners(host: str = "127.0.0.1", timeout: float = 5.0) -> list[str]:
    """What is wrong, a line a port; empty if every port greets with 220 within `timeout` s."""
    return [problem for port in PORTS if (problem := _check(host, port, timeout))]


def _check(host: str, port: int, timeout: float) -> str | None:
    try:
        with socket.create_connection((host, port), timeout) as plain:
            plain.settimeout(timeout)
            link: socket.socket = plain
            if port in IMPLICIT_TLS:
                # Whether the certificate is good is another question than whether smtpd lives.
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                link = context.wrap_socket(plain)
            banner = link.recv(512)
            link.sendall(b"QUIT\r\n")
            link.recv(512)
    except OSError as error:
        return f"port {port}: {error}"
    return None if banner.startswith(b"220 ") else f"port {port}: no greeting: {banner[:80]!r}"
