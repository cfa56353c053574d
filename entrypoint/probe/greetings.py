"""How servers greet, and how a client leaves, in each protocol in which the server speaks first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from entrypoint.config.ports import Protocol


@dataclass(frozen=True)
class Greeting:
    """How its first line and its last one begin, what a client leaves with, and the answer to it.

    name: the protocol's.
    """

    name: str
    first: str
    last: str
    leave: str
    left: str


# RFC 5321 §4.2 and §4.1.1.10, RFC 9051 §7.1 and §6.1.3, RFC 1939 §4 and §5, RFC 5804 §1.7 and §2.3.
GREETINGS: Mapping[Protocol, Greeting] = {
    "smtp": Greeting("SMTP", "220", "220 ", "QUIT", "221"),
    "imap": Greeting("IMAP", "* OK", "* OK", "z LOGOUT", "z OK"),
    "pop3": Greeting("POP3", "+OK", "+OK", "QUIT", "+OK"),
    "sieve": Greeting("ManageSieve", '"IMPLEMENTATION"', "OK", "LOGOUT", "OK"),
}
