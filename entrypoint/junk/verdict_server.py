"""The socket at which a delivery asks whether its message is junk.

    account NUL envelope sender NUL mark NUL facts NUL message  →  yes score=… | no … | nothing

A delivery waits two seconds at most, so a question has less than that from its connection on;
one that cannot be answered in time, or at all, has no answer, and its message is delivered without.
A question for the account "" is health's: `ok`, or what is broken, from memory alone.

Questions are looked at in threads, since they wait for a disk. A disk that hangs holds its threads:
there are a few, and a question that finds none free in its time is over. So nothing piles up. An
account of which one hangs gets no more threads before that has ended; and where some took too long,
the next ones have no answer at once (`sparing.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from entrypoint.junk.account_state import StateError
from entrypoint.junk.delivery_fields import queue_id
from entrypoint.junk.excerpt import LOOKED_AT
from entrypoint.junk.sparing import Sparing
from entrypoint.junk.verdict import DeliveryQuestion, verdict
from entrypoint.junk.words import WordsError
from entrypoint.paths import MAIL, NoAccountError
from filters.unix_socket import listen_at

log = logging.getLogger(__name__)

ANSWERED_WITHIN = 1.8  # seconds; deliver.c waits two
THREADS = 8
# Shares of them. Until when a thread begins: later, its work would be in vain. And after how long
# in a thread what has no answer was late.
_BEGINS_WITHIN, _LATE = 0.55, 0.4
_MODE = 0o660
_MOST_QUESTIONS = 64  # at once: each is in memory
_LONGEST = LOOKED_AT + 4 * 1025
_MOST_TROUBLES = 1000
_HUNG_AFTER = 10.0

Judge = Callable[[DeliveryQuestion, Path], str]


def answer(question: DeliveryQuestion, mail: Path) -> str:
    """The line for a message."""
    return verdict(question, mail).line()


class _Begun(NamedTuple):
    account: str
    at: float  # on the monotonic clock


class VerdictServer:
    """accounts: which there are; None for any. more: what else is broken, for health.

    judge: in a thread, a question's answer.
    """

    def __init__(
        self,
        mail: Path = MAIL,
        accounts: Callable[[], Collection[str]] | None = None,
        more: Callable[[], Iterable[str]] = tuple,
        judge: Judge = answer,
        seconds: float = ANSWERED_WITHIN,
    ) -> None:
        self._mail, self._more, self._judge, self._seconds = mail, more, judge, seconds
        self._accounts = accounts
        self._free = asyncio.Semaphore(THREADS)
        self._begun: dict[asyncio.Future[str], _Begun] = {}  # questions that have a thread
        self._open = 0
        self._broken: dict[str, str] = {}  # of each account
        self._sparing = Sparing()

    async def serve(self, path: Path) -> None:
        """Answer, until cancelled. Raises OSError where there can be no such socket."""
        server = await asyncio.start_unix_server(
            self._connected, sock=listen_at(path, _MODE), limit=_LONGEST
        )
        async with server:
            await server.serve_forever()

    def troubles(self) -> list[str]:
        """What is broken, for health."""
        hung = len(self._hung())
        if self._accounts is not None:
            for gone in self._broken.keys() - set(self._accounts()):
                del self._broken[gone]
        found = [f"{account}: {text}" for account, text in self._broken.items()]
        if hung:
            found.append(
                f"{hung} of {THREADS} questions have had no end for {_HUNG_AFTER:.0f} s: does"
                " the disk of the mail answer?"
            )
        return [*found, *self._more()]

    def _hung(self) -> list[str]:
        """Of each question that hangs, the account."""
        since = time.monotonic() - _HUNG_AFTER
        return [account for account, at in self._begun.values() if at < since]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= _MOST_QUESTIONS:
            writer.transport.abort()
            return
        self._open += 1
        until = time.monotonic() + self._seconds
        try:
            async with asyncio.timeout(self._seconds):
                question = DeliveryQuestion.read(await _whole(reader), until)
                if question is not None and (line := await self._answered(question)):
                    said = _one_line(line)
                    writer.write(said)
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
                    if question.account:
                        _log_verdict(question, said)
        except (TimeoutError, OSError):
            pass  # who asked has waited long enough, or has gone
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _answered(self, question: DeliveryQuestion) -> str:
        if not question.account:
            return "; ".join(self.troubles()) or "ok"
        hung = self._hung()
        if len(hung) == THREADS or question.account in hung:
            return ""
        if not self._sparing.may_ask(question.account):
            return ""
        # In turn; a thread whose question is over is not free before it has ended.
        try:
            async with asyncio.timeout(self._seconds * _BEGINS_WITHIN):
                await self._free.acquire()
        except TimeoutError:
            return ""
        begun, line = time.monotonic(), ""
        try:
            line = await self._from_thread(question)
        finally:  # cancelled, where its time is over
            took = time.monotonic() - begun
            late = not line and took >= self._seconds * _LATE
            self._sparing.ended(question.account, late=late)
        return line

    async def _from_thread(self, question: DeliveryQuestion) -> str:
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._begun[done] = _Begun(question.account, time.monotonic())
        try:
            threading.Thread(target=self._in_thread, args=(question, done), daemon=True).start()
        except RuntimeError as error:  # the system has no more threads
            self._ended(done, "", str(error))
        return await done

    def _in_thread(self, question: DeliveryQuestion, done: asyncio.Future[str]) -> None:
        line, trouble = "", ""
        try:
            line = self._judge(question, self._mail)
        except (StateError, WordsError) as error:
            trouble = str(error)
        except NoAccountError:
            pass
        except Exception as error:
            log.exception("a message could not be judged")
            trouble = f"a fault of its own: {type(error).__name__}"
        with contextlib.suppress(RuntimeError):  # the program ends
            done.get_loop().call_soon_threadsafe(self._ended, done, line, trouble)

    def _ended(self, done: asyncio.Future[str], line: str, trouble: str) -> None:
        self._free.release()
        account, _ = self._begun.pop(done)
        if not done.done():
            done.set_result(line)
        if trouble and self._broken.get(account) != trouble:
            log.error("%s: no verdicts: %s", account, trouble)
            if len(self._broken) < _MOST_TROUBLES:
                self._broken[account] = trouble
        elif line and self._broken.pop(account, None) is not None:
            log.info("%s: there are verdicts again", account)


def _log_verdict(question: DeliveryQuestion, said: bytes) -> None:
    """What the message's field says, for whoever has the log alone (entrypoint.log_fields.junk)."""
    msgid, line = queue_id(question.message) or "-", said.decode("ascii").rstrip("\n")
    log.info("msgid=%s login=%s junk=%s", msgid, question.account, line)


async def _whole(reader: asyncio.StreamReader) -> bytes:
    """All that comes; nothing where that is more than anybody asks."""
    data = bytearray()
    while chunk := await reader.read(_LONGEST):
        data += chunk
        if len(data) > _LONGEST:
            return b""
    return bytes(data)


def _one_line(text: str) -> bytes:
    """What deliver.c takes: printable ASCII, 900 bytes with the line's end."""
    safe = "".join(char if " " <= char <= "~" else "?" for char in text)
    return safe[:899].encode("ascii") + b"\n"
