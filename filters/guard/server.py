"""The socket at which a LoginGuard hears of logins and answers about blocks.

Lines of JSON, each question answered by one line, in order:

    ["begin", SESSION, ADDRESS]        → seconds that everyone there has to wait; 0: AUTH begins
    ["fail", SESSION, ADDRESS, LOGIN]  → 0
    ["error", SESSION, ADDRESS, LOGIN] → 0; nobody said whether the password was right
    ["pass", SESSION, ADDRESS, LOGIN]  → seconds; more than 0: this login has to wait at this client
    ["left", SESSION]                  → 0; the AUTH that began has no outcome
    ["list"]                           → [[NETWORK, LOGIN or "", seconds left, level], …]
    ["lift", WHAT]                     → how many records went

What is no question gets null. The folder that the socket lies in keeps strangers out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

from filters.guard.account_limit import AccountLimit, LookupLimit
from filters.guard.block_store import BlockStore, Snapshot
from filters.guard.login_guard import Block, LoginGuard, counted_name
from filters.guard.open_logins import OpenLogins
from filters.quoting import quoted
from filters.write_behind import WriteBehind

log = logging.getLogger(__name__)

SWEEP_EVERY = 3600.0  # seconds
_LONGEST_LINE = 4096  # bytes


class GuardServer:
    """One guard with its clock, its file and its socket.

    A file that fails costs what it would have kept over a restart, and nothing else.
    """

    def __init__(
        self, guard: LoginGuard, path: Path | None, clock: Callable[[], float] = time.time
    ) -> None:
        self.guard = guard
        self.limit = AccountLimit()
        self._clock = clock
        self._open_logins = OpenLogins(self.refused)
        self._clients: set[asyncio.StreamWriter] = set()
        self._writing: WriteBehind[Snapshot] | None = None
        if path is None:
            return
        store = BlockStore(path)
        try:
            store.load(guard)
        except Exception as error:
            log.error("%s: earlier blocks are not known: %s", path, error)
        guard.sweep(clock())
        self._writing = WriteBehind(path, lambda: store.snapshot(guard), store.write)

    # -- for the program that it lives in ------------------------------------------------------

    def refused(self, address: str | None, login: str) -> float:
        """Seconds that this login has to wait at this client; None: one of smtpd's."""
        if address is None:
            return self._open_logins.waits(login)
        return self.guard.refused(address, login, self._clock())

    def failed(self, address: str | None, login: str) -> None:
        """A wrong password; of nobody's account where the login is empty."""
        now = self._clock()
        if address and login:
            network = self.guard.network(address) or address
            self.limit.note_failure(counted_name(login), network, now)
        begun = self.guard.failed(address, login, now)
        for block in begun:
            log.warning("%s", _block_text(block, now))
        self._changed(urgent=bool(begun))

    def passed(self, address: str | None, login: str) -> float:
        """A right password; seconds that it has to wait all the same."""
        waits = self.refused(address, login)
        if not waits:
            self.guard.passed(address, login, self._clock())
            self._changed()
        return waits

    def lookup_limit(self, address: str | None, login: str) -> LookupLimit:
        """Of passwords that were not right before, for who asks now; None: one of smtpd's clients.

        Where any of smtpd's may be one that the login is known at, the question may be its own. All
        others must not learn from the answer that the account exists and somebody logs in to it.
        """
        now, login = self._clock(), counted_name(login)
        clients = self._open_logins.clients() if address is None else {address}
        welcome = any(self.guard.is_trusted(client, login, now) for client in clients)
        hides = address is None and welcome and self.limit.reached(login, now, welcome=False)
        return LookupLimit(self.limit, login, self._clock, welcome=welcome, hides_wrong=hides)

    def not_looked_at(self, address: str | None, login: str, *, again: bool) -> None:
        """A password beyond the limit. again: the same one was counted before.

        It counts as wrong, though nobody knows: it was not among those that were right before, so
        that a client could guess those without an end.
        """
        name = counted_name(login)
        if address is not None and not again:
            self.failed(address, name)
        attack = self.limit.news(name, self._clock())
        if attack is not None:
            log.warning(
                "%d failed logins at %s from %s: for now only passwords that were right before "
                "are accepted, and logins from networks that it has logged in from before",
                attack.failures,
                _shown(name),
                attack.origin(),
            )

    async def serve(self, listener: socket.socket) -> None:
        """Answer on a listening socket, and take it over, until cancelled."""
        server = await asyncio.start_unix_server(self._converse, sock=listener, limit=_LONGEST_LINE)
        try:
            while True:
                await asyncio.sleep(SWEEP_EVERY)
                self.guard.sweep(self._clock())
                self._changed()
        finally:
            server.close()
            # A filter keeps its connection, and Python would wait for it to end.
            for client in self._clients:
                client.transport.abort()
            if self._writing is not None:
                self._writing.finish()

    # -- how -----------------------------------------------------------------------------------

    def answer(self, line: bytes) -> object:
        """The answer to one question; None for what is none."""
        try:
            question = json.loads(line)
        except (ValueError, RecursionError):
            return None
        match question:
            case ["begin", str(session), str(address)]:
                return self._begin(session, address)
            case ["fail", str(session), str(address), str(login)]:
                self._open_logins.outcome(session, address, login)
                self.failed(address, login)
                return 0
            case ["error", str(session), str(address), str(login)]:
                self._error(session, address, login)
                return 0
            case ["pass", str(session), str(address), str(login)]:
                self._open_logins.outcome(session, address, login)
                return round(self.passed(address, login))
            case ["left", str(session)]:
                self._left(session)
                return 0
            case ["list"]:
                now = self._clock()
                return [
                    [block.network, block.login, round(block.until - now), block.level]
                    for block in self.guard.blocks(now)
                ]
            case ["lift", str(what)]:
                lifted = self.guard.lift(what) + self.limit.forget(counted_name(what))
                log.warning("lifted by the operator: %s (%d)", what, lifted)
                self._changed(urgent=True)
                return lifted
        return None

    def _begin(self, session: str, address: str) -> int:
        self._left(session)
        now = self._clock()
        seconds = round(self.guard.shut_out(address, now))
        if not seconds:
            self._open_logins.begin(session, address, now)
        return seconds

    def _error(self, session: str, address: str, login: str) -> None:
        if self.lookup_limit(address, login).is_reached():
            self._open_logins.outcome(session, address, login)
            self.failed(address, login)  # as in `not_looked_at`
        else:
            self._left(session)

    def _left(self, session: str) -> None:
        auth = self._open_logins.end(session)
        if auth is not None and auth.covered:
            self.failed(auth.address, "")

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):  # ValueError: a line that does not end
            log.warning("a question to the guard broke off")
        except Exception:
            log.exception("a question to the guard could not be answered")
        finally:
            self._clients.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _changed(self, *, urgent: bool = False) -> None:
        if self._writing is not None:
            self._writing.changed(urgent=urgent)


def _shown(login: str) -> str:
    """An address as it is; quoted where it could pass for more than one word of the line."""
    return login if re.fullmatch(r"[\w.+@=-]+", login, re.ASCII) else json.dumps(login)


def _block_text(block: Block, now: float) -> str:
    minutes = round((block.until - now) / 60)
    text = f"blocked {block.network} for {minutes} minutes after failed logins (time {block.level})"
    return f"{text} at login={quoted(block.login)}" if block.login else f"{text} at any login"
