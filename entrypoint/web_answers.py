"""Asks the ports of the web service for any answer, as a client would.

Whether the certificate is good is another question than whether the service lives.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from entrypoint.render import RUN, WEB

# A port, and whether TLS begins with the first byte (RFC 9110 §4.2.2).
_PORTS = ((80, False), (443, True))
_QUESTION = b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def is_served(run: Path = RUN) -> bool:
    """Does the last start serve it?"""
    return (run / WEB.name / "site.json").is_file()


def check_web(
    ports: Sequence[tuple[int, bool]] = _PORTS, host: str = "127.0.0.1", timeout: float = 5.0
) -> list[str]:
    """What is wrong, a line a port; empty if every port answers within `timeout` s."""
    return [problem for port, secure in ports if (problem := _check(host, port, secure, timeout))]


def _check(host: str, port: int, secure: bool, timeout: float) -> str | None:
    try:
        with socket.create_connection((host, port), timeout) as plain:
            if secure:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                with context.wrap_socket(plain) as link:
                    said = _answer(link)
            else:
                said = _answer(plain)
    except TimeoutError:
        return f"port {port}: no answer within {timeout:g} s"
    except OSError as error:
        return f"port {port}: {error}"
    return None if said.startswith(b"HTTP/1.") else f"port {port}: no HTTP: {said[:80]!r}"


def _answer(link: socket.socket) -> bytes:
    link.sendall(_QUESTION)
    return link.recv(512)
