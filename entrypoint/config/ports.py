"""Which ports a configuration serves, and in which protocol each greets.

The list is rendered, too (`ports`), for the programs that run without an environment. It must not
know settings, nor how a port is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from entrypoint.text import listed

Protocol = Literal["smtp", "imap", "pop3", "sieve", "http"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


@dataclass(frozen=True)
class Port:
    """A TCP port. implicit_tls: TLS begins with the first byte (RFC 8314 §3), not by STARTTLS."""

    number: int
    protocol: Protocol
    implicit_tls: bool = False


SMTP_PORTS = (Port(25, "smtp"), Port(465, "smtp", implicit_tls=True), Port(587, "smtp"))
IMAP_PORTS = (Port(143, "imap"), Port(993, "imap", implicit_tls=True), Port(4190, "sieve"))
POP3_PORTS = (Port(995, "pop3", implicit_tls=True),)
# What a test target has beside: SMTP with AUTH in plaintext, and POP3 as test suites speak it.
TEST_SMTP_PORT, TEST_HTTP_PORT = 1025, 8025
# Those of the web service are not in the rendered list, which is of mail alone.
WEB_PORTS = (Port(80, "http"), Port(443, "http", implicit_tls=True))


def served_ports(*, imap: bool, pop3: bool) -> tuple[Port, ...]:
    """Every port that answers, those of SMTP first."""
    return SMTP_PORTS + (IMAP_PORTS if imap else ()) + (POP3_PORTS if pop3 else ())


def test_ports(*, imap: bool, implicit_tls: bool) -> tuple[Port, ...]:
    """Every port of a test target that greets; implicit_tls: of 1025."""
    smtp = (*SMTP_PORTS, Port(TEST_SMTP_PORT, "smtp", implicit_tls=implicit_tls))
    read = (*(port for port in IMAP_PORTS if port.protocol != "sieve"), Port(110, "pop3"))
    return smtp + ((*read, *POP3_PORTS) if imap else ())


def to_text(ports: Iterable[Port]) -> str:
    """One port a line: `993 imap tls`."""
    lines = (
        f"{port.number} {port.protocol}{' tls' if port.implicit_tls else ''}" for port in ports
    )
    return "".join(f"{line}\n" for line in lines)


def from_text(text: str) -> tuple[Port, ...]:
    """The opposite. Raises ValueError."""
    return tuple(_port(line.split()) for line in text.splitlines())


def _port(words: list[str]) -> Port:
    number, name, *rest = words
    (protocol,) = (each for each in PROTOCOLS if each == name)
    return Port(int(number), protocol, implicit_tls=rest == ["tls"])


def rendered_ports(path: Path) -> tuple[Port, ...]:
    """What the last start serves; SMTP's where there was none yet. Raises OSError, ValueError."""
    try:
        return from_text(path.read_text("ascii"))
    except FileNotFoundError:
        return SMTP_PORTS


def port_numbers(ports: Iterable[Port]) -> str:
    """`25, 465 and 587`."""
    return listed(port.number for port in ports)
