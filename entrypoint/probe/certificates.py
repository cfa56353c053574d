"""Which certificate each port shows: its fingerprint, whoever may trust it.

It must not know which one is right.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Iterable
from typing import BinaryIO

from entrypoint.config.ports import Port, Protocol

_SECONDS = 5.0  # for each answer
_MOST_LINES = 64
_LONGEST = 4096  # bytes of a line

# What asks for TLS, and how the last line of the greeting and of a good answer begin: RFC 3207 §4
# (which wants EHLO before it), RFC 3501 §6.2.1, RFC 2595 §4, RFC 5804 §1.7.
_STARTTLS: dict[Protocol, tuple[bytes, bytes, bytes]] = {
    "smtp": (b"STARTTLS\r\n", b"220 ", b"220 "),
    "imap": (b"a STARTTLS\r\n", b"* OK", b"a OK"),
    "pop3": (b"STLS\r\n", b"+OK", b"+OK"),
    "sieve": (b"STARTTLS\r\n", b"OK", b"OK"),
}


def fingerprints(ports: Iterable[Port], host: str, address: str = "127.0.0.1") -> dict[int, str]:
    """SHA-256 of the certificate's DER by port, in hexadecimal; "" where there is none."""
    return {port.number: _fingerprint(port, host, address) for port in ports}


def _fingerprint(port: Port, host: str, address: str) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((address, port.number), _SECONDS) as plain:
            plain.settimeout(_SECONDS)
            if not port.implicit_tls and not _starts_tls(plain, port.protocol, host):
                return ""
            with context.wrap_socket(plain, server_hostname=host) as tls:
                shown = tls.getpeercert(binary_form=True) or b""
    except OSError:
        return ""
    return hashlib.sha256(shown).hexdigest() if shown else ""


def _starts_tls(plain: socket.socket, protocol: Protocol, host: str) -> bool:
    command, greeting, good = _STARTTLS[protocol]
    with plain.makefile("rb") as answers:
        if not _answered(answers, greeting):
            return False
        if protocol == "smtp":
            plain.sendall(f"EHLO {host}\r\n".encode())
            if not _answered(answers, b"250 "):
                return False
        plain.sendall(command)
        return _answered(answers, good)


def _answered(answers: BinaryIO, good: bytes) -> bool:
    """Does a line begin so? The last one of an answer does, or none."""
    return any(answers.readline(_LONGEST).startswith(good) for _ in range(_MOST_LINES))
