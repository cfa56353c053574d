"""What the front knows of a connection, and who has to know it, too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Accepts = Callable[[str, str], Awaitable[bool]]
# Of a session: its client has begun TLS or logged in; or it is over. Who has to know knows then.
Changed = Callable[["FrontSession"], Awaitable[None]]
Ended = Callable[["FrontSession"], None]
# The reply to AUTH that a test wants, without its line end; None: what would be said anyway.
AuthFault = Callable[["FrontSession", str], Awaitable[str | None]]


@dataclass
class FrontSession:
    """What the front knows of a connection. tls: "TLSv1.3", or empty; cipher: its name.

    cut: ends the connection without a word. cuts_data: that happens within the next message.
    """

    client: tuple[str, int]
    tls: str = ""
    cipher: str = ""
    login: str = ""
    cut: Callable[[], None] = lambda: None
    cuts_data: bool = False

    def cut_after(self, seconds: float) -> None:
        """Cut, now or later."""
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self.cut)
        else:
            self.cut()


Sessions = dict[tuple[str, int], FrontSession]


async def _nobody_knows(session: FrontSession) -> None:
    """Nobody has to."""


def _nobody_cares(session: FrontSession) -> None:
    """Nobody does."""


async def _no_fault(session: FrontSession, login: str) -> str | None:
    return None


@dataclass(frozen=True)
class FrontRules:
    """accepts: whether a login is right. tls: for STARTTLS, unless None.

    implicit_tls: it begins with the first byte. needs_tls: before AUTH and MAIL; needs_login:
    before MAIL.
    """

    accepts: Accepts
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    needs_tls: bool = False
    needs_login: bool = False
    changed: Changed = _nobody_knows
    ended: Ended = _nobody_cares
    auth_fault: AuthFault = _no_fault
