"""A socket at which PAM and Dovecot ask whether a login and a password belong together.

What is remembered is answered at once, and so is a new password where too many were looked at
for that login: there is no answer then. Of the rest one password is looked at after the other, so
that a flood of guesses meets its own block; the hashing itself, which takes longest, is done in a
thread. Questions from smtpd, whose parent process waits, have a row and a thread of their own and
do not stand behind those with an address.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from filters.credentials import Checked, LoginChecker, LoginTable, search
from filters.guard.account_limit import NO_LIMIT, LookupLimit
from filters.guard.networks import address_of
from filters.guard.server import GuardServer
from filters.last_used import LastUsed
from filters.login_name import login_bytes
from filters.login_question import ANSWERED_WITHIN, NO_ANSWER, RIGHT, WRONG, read_question
from filters.quoting import quoted
from filters.right_passwords import RightPasswords
from filters.uncounted_login import UncountedLogin
from filters.watched_file import LastGood

log = logging.getLogger(__name__)


class Asker:
    """Who waits for an answer, until when; without a connection, for as long as it takes."""

    def __init__(
        self, connection: socket.socket | None = None, seconds: float | None = None
    ) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds
        self._end = select.poll()
        if connection is not None:
            self._end.register(connection, 0)  # POLLHUP always counts

    def check_time(self) -> None:
        """Raises TimeoutError where it is over. Any thread may look."""
        if self._until is not None and time.monotonic() > self._until:
            raise TimeoutError

    def check(self) -> None:
        """Raises TimeoutError, or ConnectionError where the asker has closed its end."""
        self.check_time()
        if self._end.poll(0):
            raise ConnectionAbortedError


class _Row:
    """Questions that are looked at one after the other, in a thread."""

    def __init__(self, name: str) -> None:
        self.turn = asyncio.Lock()
        self.thread = ThreadPoolExecutor(1, name)


class LoginServer:
    """The program without its command line. `last_used` None: nobody wants to know; `guard` None:
    nobody counts failures.
    """

    def __init__(
        self,
        table: LastGood[LoginTable],
        last_used: LastUsed | None = None,
        guard: GuardServer | None = None,
        uncounted: UncountedLogin | None = None,
        right: RightPasswords | None = None,
    ) -> None:
        self._table = table
        self._checker = LoginChecker(lambda: table.content, right)
        self._last_used = last_used
        self._guard = guard
        self._uncounted = uncounted
        self._by_smtp, self._by_address = _Row("smtp"), _Row("address")

    async def answer(self, question: bytes, asker: Asker | None = None) -> bytes:
        """RIGHT or WRONG; a question that is none gets WRONG.

        NO_ANSWER where the login's hashes are too slow, or too many passwords were looked at.
        Raises TimeoutError or ConnectionError where the asker waits no longer.
        """
        login, password, address = _parts(question)
        # With any other password the name is nobody's, as any name may be.
        if self._uncounted is not None and self._uncounted.is_right(login, password):
            return RIGHT
        if self._table.content.is_too_slow(login):
            log.warning("not answered: the hash of login=%s is too slow", quoted(_name(login)))
            return NO_ANSWER
        # It is hashed nowhere, so it may overtake others: an attacker's guesses that are under way
        # at the same time, four at most (Dovecot's auth-workers), are no more for it.
        known = self._checker.recall(login, password)
        if known is not None:
            if self._refused(address, login):
                return WRONG
            return self._conclude(address, login, known)
        limit = self._limit(address, login)
        if limit.is_reached():
            if self._refused(address, login):
                return WRONG
            return self._pass_over(address, login, password)
        row = self._by_smtp if address is None else self._by_address
        async with row.turn:
            return await self._look_up(row, login, password, address, limit, asker or Asker())

    async def _look_up(
        self,
        row: _Row,
        login: bytes,
        password: bytes,
        address: str | None,
        limit: LookupLimit,
        asker: Asker,
    ) -> bytes:
        asker.check()
        if self._refused(address, login):
            return WRONG
        # The same may have been asked, and answered, while this one waited.
        checked = self._checker.recall(login, password)
        if checked is None:
            table = self._table.content
            if not limit.take():
                return self._pass_over(address, login, password)
            found = await asyncio.get_running_loop().run_in_executor(
                row.thread, search, table, login, password, asker.check_time
            )
            if found is not None:
                limit.give_back()
            elif limit.hides_wrong:  # the next time, too
                return NO_ANSWER
            self._checker.remember(login, password, table, found)
            checked = Checked(found)
        return self._conclude(address, login, checked)

    def _limit(self, address: str | None, login: bytes) -> LookupLimit:
        if self._guard is None:
            return NO_LIMIT
        return self._guard.lookup_limit(address, _name(login))

    def _pass_over(self, address: str | None, login: bytes, password: bytes) -> bytes:
        """Beyond the limit: at once, whether the login exists or not."""
        if self._guard is not None:
            again = self._checker.pass_over(login, password)
            self._guard.not_looked_at(address, _name(login), again=again)
        return NO_ANSWER

    def _refused(self, address: str | None, login: bytes) -> bool:
        """Ask once a question: of smtpd's it counts which clients it may be."""
        if self._guard is None or not self._guard.refused(address, _name(login)):
            return False
        log.info(
            "client=%s refused: failed logins before at login=%s",
            address or "by SMTP",
            quoted(_name(login)),
        )
        return True

    def _conclude(self, address: str | None, login: bytes, checked: Checked) -> bytes:
        name = _name(login)
        if checked.password is None:
            # A phone with an old password is a nuisance and no attack: the same one counts once.
            if self._guard is not None and not checked.again:
                self._guard.failed(address, name)
            return WRONG
        if self._guard is not None:
            self._guard.passed(address, name)
        if self._last_used is not None:
            self._last_used.note(name, checked.password.name, int(time.time()))
        return RIGHT

    async def serve(self, listener: socket.socket) -> None:
        """Answer on a listening socket, and take it over, until cancelled."""
        server = await asyncio.start_unix_server(self._converse, sock=listener)
        try:
            async with server:
                await server.serve_forever()
        finally:
            for row in (self._by_smtp, self._by_address):
                row.thread.shutdown(wait=False)
            self._checker.finish()
            if self._last_used is not None:
                self._last_used.finish()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asker = Asker(writer.get_extra_info("socket"), ANSWERED_WITHIN)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                question = await read_question(reader)
                writer.write(WRONG if question is None else await self.answer(question, asker))
                await writer.drain()
        except (TimeoutError, ConnectionError):
            log.warning("a question broke off")
        except Exception:
            log.exception("a question could not be answered")
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def _name(login: bytes) -> str:
    return login.lower().decode("utf-8", "backslashreplace")


def _parts(question: bytes) -> tuple[bytes, bytes, str | None]:
    """Login, password and the client's address; None where the asker did not know it."""
    written, _, rest = question.partition(b"\0")
    login = login_bytes(written)
    password, _, last = rest.partition(b"\0")
    address = last.decode("ascii", "backslashreplace")
    return (login, password, address) if address_of(address) else (login, rest, None)
