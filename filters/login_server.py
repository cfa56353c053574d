"""A socket at which PAM asks whether a login and a password belong together.

The question is `LOGIN NUL PASSWORD`, or `LOGIN NUL PASSWORD NUL ADDRESS` from who knows the client,
and the end of writing; the answer `right` or `wrong` and a line feed. One password is looked at
after the other, so that a flood of guesses meets its own block; the hashing itself, which takes
longest, is done in a thread, and others are answered meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from filters.guard.guard_server import GuardServer
from filters.guard.networks import address_of
from filters.last_good import LastGood
from filters.last_used import LastUsed
from filters.login_book import LoginBook, Password
from filters.login_check import LoginChecker
from filters.login_name import login_bytes
from filters.uncounted_login import UncountedLogin

log = logging.getLogger(__name__)

RIGHT, WRONG = b"right\n", b"wrong\n"
LONGEST_QUESTION = 2048  # smtpd's own limits are 255 bytes of login and 2047 of password
# Seconds in which the question must have come; the asker itself waits no longer.
PATIENCE = 3.0
WRITE_EVERY = 60.0


class LoginServer:
    """The program without its command line. `last_used` None: nobody wants to know; `guard` None:
    nobody counts failures.
    """

    def __init__(
        self,
        book: LastGood[LoginBook],
        last_used: LastUsed | None = None,
        guard: GuardServer | None = None,
        uncounted: UncountedLogin | None = None,
    ) -> None:
        self._book = book
        self._checker = LoginChecker(lambda: book.content)
        self._last_used = last_used
        self._guard = guard
        self._uncounted = uncounted
        self._used = asyncio.Event()
        self._turn = asyncio.Lock()
        # One thread: the checker is no other's.
        self._hashing = ThreadPoolExecutor(1, "hashing")

    async def answer(self, question: bytes) -> bytes:
        """RIGHT or WRONG; a question that is none gets WRONG."""
        login, password, address = _parts(question)
        # With any other password the name is nobody's, as any name may be.
        if self._uncounted is not None and self._uncounted.is_right(login, password):
            return RIGHT
        async with self._turn:
            return await self._answer(login, password, address)

    async def _answer(self, login: bytes, password: bytes, address: str | None) -> bytes:
        name = login.lower().decode("utf-8", "backslashreplace")
        if self._guard is not None and self._guard.refused(address, name):
            log.info("login=%s client=%s refused: failed logins before", name, address or "by SMTP")
            return WRONG
        loop = asyncio.get_running_loop()
        found, known_wrong = await loop.run_in_executor(self._hashing, self._check, login, password)
        if found is None:
            if self._guard is not None and not known_wrong:
                self._guard.failed(address, name)
            return WRONG
        if self._guard is not None:
            self._guard.passed(address, name)
        if self._last_used is not None:
            self._last_used.note(name, found.name, int(time.time()))
            self._used.set()
        return RIGHT

    def _check(self, login: bytes, password: bytes) -> tuple[Password | None, bool]:
        # A phone with an old password is a nuisance and no attack: the same one counts once.
        known_wrong = self._checker.is_known_wrong(login, password)
        return self._checker.check(login, password), known_wrong

    async def serve(self, listener: socket.socket) -> None:
        """Answer on a listening socket, and take it over, until cancelled."""
        server = await asyncio.start_unix_server(self._converse, sock=listener)
        writing = asyncio.create_task(self._write_now_and_then())
        try:
            async with server:
                await server.serve_forever()
        finally:
            writing.cancel()
            self._hashing.shutdown(wait=False)
            if self._last_used is not None and self._last_used.changed:
                self._last_used.write(self._book.content)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                question = b""
                while len(question) <= LONGEST_QUESTION and (
                    part := await reader.read(LONGEST_QUESTION)
                ):
                    question += part
                known = len(question) <= LONGEST_QUESTION
                writer.write(await self.answer(question) if known else WRONG)
                await writer.drain()
        except (TimeoutError, ConnectionError):
            log.warning("a question broke off")
        except Exception:
            log.exception("a question could not be answered")
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _write_now_and_then(self) -> None:
        while self._last_used is not None:
            await self._used.wait()
            self._used.clear()
            self._last_used.write(self._book.content)
            await asyncio.sleep(WRITE_EVERY)


def _parts(question: bytes) -> tuple[bytes, bytes, str | None]:
    """Login, password and the client's address; None where the asker did not know it."""
    written, _, rest = question.partition(b"\0")
    login = login_bytes(written)
    password, _, last = rest.partition(b"\0")
    address = last.decode("ascii", "backslashreplace")
    return (login, password, address) if address_of(address) else (login, rest, None)
