"""Whose credentials are right in test mode: anybody's, or those of the accounts.

smtpd's PAM module and Dovecot ask at a socket as they ask `filters.logins` in production. Nobody
counts failures here, and nobody is blocked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from entrypoint.test_target.mailboxes.addresses import is_login
from filters.credentials import LoginChecker, LoginTable, search
from filters.login_name import login_bytes
from filters.login_question import ANSWERED_WITHIN, RIGHT, WRONG, read_question
from filters.quoting import quoted
from filters.watched_file import LastGood

log = logging.getLogger(__name__)


class Credentials:
    """logins: the accounts' file; None: any login is right with any password. any_mailbox: they
    are no accounts, and whoever has one may read all mail.
    """

    def __init__(self, logins: Path | None, *, any_mailbox: bool = False) -> None:
        """Raises OSError, and ValueError for a file that is none."""
        self._any_mailbox = any_mailbox
        self._table = LastGood(logins, LoginTable.from_json) if logins is not None else None
        self._checker = LoginChecker(self._content)
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="logins")

    async def are_right(self, login: str, password: str) -> bool:
        """Whether they may log in."""
        return await self.bytes_are_right(login.encode(), password.encode())

    async def bytes_are_right(self, login: bytes, password: bytes) -> bool:
        """The same, of what stood on the wire."""
        if self._table is None:
            return bool(login)
        name = login_bytes(login)
        known = self._checker.recall(name, password)
        if known is not None:
            return known.password is not None
        table = self._content()
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._hashing, search, table, name, password)
        self._checker.remember(name, password, table, found)
        return found is not None

    async def open_mailbox(self, mailbox: bytes, password: bytes) -> bool:
        """Whether they may read it: with the password of any login where all mail is theirs."""
        if self._table is None or not self._any_mailbox:
            return await self.bytes_are_right(mailbox, password)
        for login in self._content().logins:
            if await self.bytes_are_right(login, password):
                return True
        return False

    def _content(self) -> LoginTable:
        return self._table.content if self._table is not None else LoginTable({})

    def close(self) -> None:
        """Nobody asks any more."""
        self._hashing.shutdown(wait=False, cancel_futures=True)


class CredentialServer:
    """Answers at the socket."""

    def __init__(self, credentials: Credentials, delimiter: str) -> None:
        self._credentials = credentials
        self._delimiter = delimiter

    async def start(self, listener: socket.socket) -> asyncio.Server:
        """Listen; takes the socket over."""
        return await asyncio.start_unix_server(self._converse, sock=listener)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                question = await read_question(reader)
                is_right = question is not None and await self._right(question)
                writer.write(RIGHT if is_right else WRONG)
                await writer.drain()
        except (TimeoutError, OSError):
            log.warning("a question about a login broke off")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _right(self, question: bytes) -> bool:
        login, _, rest = question.partition(b"\0")
        password, of_dovecot, _ = rest.partition(b"\0")
        if not of_dovecot:
            return await self._credentials.bytes_are_right(login, password)
        # It says who the client is, and makes the login a folder's path.
        return self._is_mailbox(login) and await self._credentials.open_mailbox(login, password)

    def _is_mailbox(self, login: bytes) -> bool:
        try:
            name = login.decode()
        except UnicodeError:
            return False
        if is_login(name, self._delimiter):
            return True
        log.info(
            "refused: no mailbox is called %s; log in with an address, without its sub-address",
            quoted(name),
        )
        return False
