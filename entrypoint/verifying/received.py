"""What the topmost Received field says of the client, for a message that lies in a file.

Every server writes it in its own way; what cannot be read is left out. It must not know DNS or
results.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from filters.mailauth.message import Message

# Longer ones are cut: nobody says more about a client.
_LONGEST = 2_000
# The from clause ends where the by clause begins (RFC 5321 §4.4).
_BY = re.compile(r"\sby\s", re.IGNORECASE)
_FROM = re.compile(r"from\s+([^\s()]+)", re.IGNORECASE)
_LITERAL = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]", re.IGNORECASE)
# Exim: `from host.example ([192.0.2.1] helo=name)`.
_HELO = re.compile(r"\bhelo=([^\s()]+)", re.IGNORECASE)
_SENDER = re.compile(r"\benvelope-(?:from|sender)\s+<([^<>\s]*)>", re.IGNORECASE)
_RETURN_PATH = re.compile(r"<([^<>\s]*)>")


@dataclass(frozen=True)
class Facts:
    """The client's address, what it called itself, and the envelope sender; None: not said."""

    ip: str | None = None
    helo: str | None = None
    sender: str | None = None


def facts(message: Message) -> Facts:
    """Read the topmost Received field, and the Return-Path for the envelope sender."""
    fields = message.named(b"received")
    text = _text(fields[0].value) if fields else ""
    by = _BY.search(text)
    clause = text[: by.start()] if by else text
    first = _FROM.match(clause)
    named = _HELO.search(clause)
    helo = named or first
    return Facts(
        _address(clause) if first else None,
        helo[1] if helo else None,
        _sender(message, text),
    )


def _text(value: bytes) -> str:
    return " ".join(value[:_LONGEST].decode("ascii", "replace").split())


def _address(clause: str) -> str | None:
    for match in _LITERAL.finditer(clause):
        try:
            return str(ipaddress.ip_address(match[1]))
        except ValueError:
            continue
    return None


def _sender(message: Message, received: str) -> str | None:
    paths = message.named(b"return-path")
    found = _RETURN_PATH.search(_text(paths[0].value)) if paths else None
    found = found or _SENDER.search(received)
    return found[1] if found else None
