"""Whose mailbox is full? Asks Dovecot's `quota-status` over its socket.

The protocol is Postfix's policy delegation, as Dovecot takes it: `name=value` lines and an empty
one, answered by `action=…` and an empty line. The rendered dovecot.conf has it answer `FULL` or
`OK`. Nothing is raised and little waited for: an account counts as not full unless Dovecot says so.
It must not know addresses that are no accounts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path

from filters.log_throttle import LogThrottle

log = logging.getLogger(__name__)

TIMEOUT = 2.0  # seconds for all accounts of one recipient; an answer takes 5 ms
# Dovecot has a process for each connection.
AT_ONCE = 4
_FULL = b"action=FULL\n\n"
_LONGEST = 1024  # bytes of an answer

_Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class QuotaStatus:
    """Asks at `path`, over a few connections that it keeps."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout
        self._idle: list[_Link] = []
        self._few = asyncio.Semaphore(AT_ONCE)
        self._failing = LogThrottle(log)

    def close(self) -> None:
        """Give the connections up."""
        for _, writer in self._idle:
            writer.transport.abort()
        self._idle.clear()

    async def all_full(self, accounts: Collection[str]) -> bool:
        """Whether there are accounts, and each of them is over its quota."""
        if not accounts:
            return False
        try:
            async with asyncio.timeout(self._timeout):
                full = await self._each_full(accounts)
        except (
            OSError,
            EOFError,
            asyncio.LimitOverrunError,
        ) as error:  # OSError: TimeoutError, too
            cause = str(error) or type(error).__name__
            self._failing.warning("%s: nobody says who is over quota: %s", self._path, cause)
            return False
        self._failing.recovered()
        return full

    async def _each_full(self, accounts: Collection[str]) -> bool:
        for account in accounts:
            if not await self._full(account):
                return False
        return True

    async def _full(self, account: str) -> bool:
        # Dovecot keeps the last size of a connection: it is always given.
        question = f"request=smtpd_access_policy\nrecipient={account}\nsize=0\n\n".encode()
        async with self._few:
            while self._idle:
                # Dovecot closes a connection that nobody uses; what is asked then is asked again.
                try:
                    return await self._ask(self._idle.pop(), question)
                except (ConnectionError, EOFError):
                    continue
            opened = await asyncio.open_unix_connection(str(self._path), limit=_LONGEST)
            return await self._ask(opened, question)

    async def _ask(self, link: _Link, question: bytes) -> bool:
        reader, writer = link
        try:
            writer.write(question)
            answer = await reader.readuntil(b"\n\n")
        except BaseException:
            # The late answer to this question must not become the next one's.
            writer.transport.abort()
            raise
        self._idle.append(link)
        return answer == _FULL
