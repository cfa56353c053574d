"""What the server saw of a message beside its bytes: the session and the envelope."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class TlsSession:
    """version: such as TLSv1.3. cipher: OpenSSL's name."""

    version: str
    cipher: str


@dataclass(frozen=True)
class Extra:
    """sender: "" is the null sender. client: an IP address. port: ours. login, run: "" is none.

    verdict: JSON of what the authentication found, or None where nothing was asked.
    """

    sender: str
    recipients: tuple[str, ...]
    client: str
    helo: str
    port: int
    received: datetime
    login: str = ""
    tls: TlsSession | None = None
    run: str = ""
    verdict: dict[str, Any] | None = field(default=None, hash=False)

    def to_json(self) -> dict[str, Any]:
        """The object `Extra` of a summary and of a message."""
        return {
            "Envelope": {"From": self.sender, "To": list(self.recipients)},
            "Client": {"Address": self.client, "Helo": self.helo, "Port": self.port},
            "Login": self.login,
            "TLS": {"Version": self.tls.version, "Cipher": self.tls.cipher} if self.tls else None,
            "Run": self.run,
            "Verdict": self.verdict,
        }


@dataclass(frozen=True)
class ReceivedMessage:
    """raw: the bytes as the filter got them, dot-unstuffed, lines ended by CRLF or by LF.

    delivered: what a mailbox gets, as the filter hands it on, its fields on top and no Return-Path
    nor Delivered-To; lines end as raw's. None: nothing is put into mailboxes. junk: for the folder.
    """

    raw: bytes
    extra: Extra
    delivered: bytes | None = None
    junk: bool = False
