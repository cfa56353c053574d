"""Whose credentials are right in test mode: anybody's, or those of the accounts.

smtpd's PAM module and Dovecot ask at a socket as they ask `filters.logins` in production:
`LOGIN NUL PASSWORD`, perhaps `NUL ADDRESS`, and the end of writing; the answer is `right` or
`wrong` and a line feed. Nobody counts failures here, and nobody is blocked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filters.credentials import LoginChecker, LoginTable
from filters.login_name import login_bytes
from filters.login_server import ANSWERED_WITHIN, LONGEST_QUESTION, RIGHT, WRONG
from filters.watched_file import LastGood

log = logging.getLogger(__name__)

_AT_A_TIME = 2  # hashes


class Credentials:
    """logins: the accounts' file; None: any login and password are right, unless one is empty."""

    def __init__(self, logins: Path | None) -> None:
        """Raises OSError, and ValueError for a file that is none."""
        self._checker: LoginChecker | None = None
        if logins is not None:
            table = LastGood(logins, LoginTable.from_json)
            self._checker = LoginChecker(lambda: table.content)
        self._hashing = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="logins")

    async def are_right(self, login: str, password: str) -> bool:
        """Whether they may log in."""
        return await self.bytes_are_right(login.encode(), password.encode())

    async def bytes_are_right(self, login: bytes, password: bytes) -> bool:
        """The same, of what stood on the wire."""
        if not login or not password:
            return False
        checker = self._checker
        if checker is None:
            return True
        name = login_bytes(login)
        known = checker.recall(name, password)
        if known is not None:
            return known.password is not None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._hashing, checker.check, name, password) is not None

    def close(self) -> None:
        """Nobody asks any more."""
        self._hashing.shutdown(wait=False, cancel_futures=True)


class LoginServer:
    """Answers at the socket."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def start(self, listener: socket.socket) -> asyncio.Server:
        """Listen; takes the socket over."""
        return await asyncio.start_unix_server(self._converse, sock=listener)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                question = b""
                while len(question) <= LONGEST_QUESTION and (
                    part := await reader.read(LONGEST_QUESTION)
                ):
                    question += part
                writer.write(RIGHT if await self._right(question) else WRONG)
                await writer.drain()
        except (TimeoutError, OSError):
            log.warning("a question about a login broke off")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _right(self, question: bytes) -> bool:
        login, _, rest = question.partition(b"\0")
        return len(question) <= LONGEST_QUESTION and await self._credentials.bytes_are_right(
            login, rest.partition(b"\0")[0]
        )
