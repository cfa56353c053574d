"""What the SMTP session said about a message."""

from __future__ import annotations

from dataclasses import dataclass

# Local parts at which who cannot send can complain (RFC 5321 §4.5.1, RFC 2142).
ROLES = frozenset({"postmaster", "abuse"})


@dataclass(frozen=True)
class Envelope:
    """One SMTP transaction and its client.

    client_address: the client's IP address as text, None if there is none (a local socket).
    helo: the argument of HELO or EHLO. sender: the envelope sender, "" for the null sender.
    user: the authenticated login. client_unknown: the address is a proxy's, not the client's, so
    SPF can say nothing. client_name: the name that the address has, None for none; reverse: whether
    that name leads back to it, "pass", "fail" or "error", None where nobody looked.
    """

    client_address: str | None
    helo: str
    sender: str
    recipients: tuple[str, ...] = ()
    user: str | None = None
    client_unknown: bool = False
    client_name: str | None = None
    reverse: str | None = None
