"""Whose mailbox is full? Asks Dovecot's `quota-status` over its socket.

The protocol is Postfix's policy delegation, as Dovecot takes it: `name=value` lines and an empty
one, answered by `action=…` and an empty line. The rendered dovecot.conf has it answer `FULL` or
`OK`. Nothing is raised and little waited for: an account counts as not full unless Dovecot says so.
Who has much room is not asked about for each message (`mailbox_room`).
It must not know addresses that are no accounts.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Collection
from pathlib import Path

from filters.log_throttle import LogThrottle
from filters.mailbox_room import MailboxRoom

log = logging.getLogger(__name__)

TIMEOUT = 2.0  # seconds for all accounts of one recipient; an answer takes 5 ms
# Dovecot has a process for each connection.
AT_ONCE = 4
_FULL = b"action=FULL\n\n"
_FITS = b"action=OK\n\n"
_LONGEST = 1024  # bytes of an answer

_Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def add_quota_options(parser: argparse.ArgumentParser) -> None:
    """What both filters take."""
    parser.add_argument(
        "--quota-status",
        type=Path,
        metavar="SOCKET",
        help="Dovecot's, to refuse for full mailboxes",
    )
    parser.add_argument(
        "--max-message-size",
        type=int,
        default=0,
        metavar="BYTES",
        help="smtpd's: who has room for many such messages is not asked about at each",
    )


def read_quota_status(options: argparse.Namespace) -> QuotaStatus | None:
    """As the options say; None where nobody is asked."""
    if options.quota_status is None:
        return None
    return QuotaStatus(options.quota_status, largest=options.max_message_size)


class QuotaStatus:
    """Asks at `path`, over a few connections that it keeps. `largest`: bytes of a message."""

    def __init__(self, path: Path, timeout: float = TIMEOUT, largest: int = 0) -> None:
        self._path = path
        self._timeout = timeout
        self._idle: list[_Link] = []
        self._few = asyncio.Semaphore(AT_ONCE)
        self._failing = LogThrottle(log)
        self._room = MailboxRoom(largest)

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
        now = asyncio.get_running_loop().time()
        if self._room.take(account, now):
            return False
        if size := self._room.size(account, now):
            fits = await self._answer(account, size) == _FITS
            self._room.remember(account, size, fits, now)
            if fits:
                return False
        return await self._answer(account, 0) == _FULL

    async def _answer(self, account: str, size: int) -> bytes:
        # Dovecot keeps the last size of a connection: it is always given.
        question = f"request=smtpd_access_policy\nrecipient={account}\nsize={size}\n\n".encode()
        async with self._few:
            while self._idle:
                # Dovecot closes a connection that nobody uses; what is asked then is asked again.
                try:
                    return await self._ask(self._idle.pop(), question)
                except (ConnectionError, EOFError):
                    continue
            opened = await asyncio.open_unix_connection(str(self._path), limit=_LONGEST)
            return await self._ask(opened, question)

    async def _ask(self, link: _Link, question: bytes) -> bytes:
        reader, writer = link
        try:
            writer.write(question)
            answer = await reader.readuntil(b"\n\n")
        except BaseException:
            # The late answer to this question must not become the next one's.
            writer.transport.abort()
            raise
        self._idle.append(link)
        return answer
