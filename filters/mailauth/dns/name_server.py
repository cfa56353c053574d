"""One name server, asked over UDP and, where a reply is cut short, over TCP.

Many questions share a socket; a reply must come from the server's address to the port that asked,
with the random id and the very question (RFC 5452 §9.1). It must not know what questions mean, nor
when to ask again.

Why ports are shared, and what that costs: a socket, its registration and its end are most of the
price of a question. A forger who does not know the port has no easier game than with one port a
question; one who finds it out may use it until the port is given up. So a port takes questions for
two seconds and 64 of them, is closed when none is left open, and takes none after the first reply
that fits no question. The system picks each port at random.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import NamedTuple

from filters.mailauth.dns import wire as dns_wire

_MOST_QUESTIONS = 64
_LONGEST_USE = 2.0  # seconds
_LARGEST_DATAGRAM = 4_096  # we announce 1,232
_MOST_AT_ONCE = 64  # datagrams, before others get their turn

# So many time-outs without a reply in between, and a server is silent for a while.
_SILENCE = 4
_LONGEST_SILENCE = 30.0  # seconds


class NameServer:
    """A name server. address: an IP address."""

    def __init__(self, address: str, port: int) -> None:
        self._address = address
        self._number = port
        self._port: _Port | None = None
        self._unanswered = 0
        self._silent_until = 0.0

    def silent(self, now: float) -> bool:
        """Say whether it has answered nothing of late. now: the loop's time in seconds."""
        return now < self._silent_until

    async def ask(self, asked: bytes, seconds: float, *, edns: bool = True) -> bytes:
        """Return the reply to a question section. Raises TimeoutError or OSError."""
        loop = asyncio.get_running_loop()
        if self._port is None or not self._port.takes(loop.time()):
            self._port = _Port(self._address, self._number, loop)
        try:
            reply = await self._port.ask(asked, seconds, edns)
        except TimeoutError:
            self._unanswered += 1
            if self._unanswered >= _SILENCE:
                self._silent_until = loop.time() + _LONGEST_SILENCE
            raise
        self._unanswered, self._silent_until = 0, 0.0
        if dns_wire.truncated(reply):
            return await self._ask_over_tcp(asked, seconds, edns)
        return reply

    async def _ask_over_tcp(self, asked: bytes, seconds: float, edns: bool) -> bytes:
        ident = os.urandom(2)
        message = dns_wire.query(ident, asked, edns=edns)
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(self._address, self._number)
            try:
                writer.write(len(message).to_bytes(2, "big") + message)
                size = int.from_bytes(await reader.readexactly(2), "big")
                reply = await reader.readexactly(size)
            except EOFError:
                raise ConnectionResetError from None
            finally:
                writer.close()
        if reply[:2] != ident or not dns_wire.belongs(reply, asked):
            raise ConnectionAbortedError
        return reply


class _Question(NamedTuple):
    asked: bytes
    reply: asyncio.Future[bytes]


class _Port:
    """A socket from a random port to one server, and the questions that are open on it."""

    def __init__(self, address: str, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: dict[bytes, _Question] = {}
        self._left = _MOST_QUESTIONS
        self._until = loop.time() + _LONGEST_USE
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            # Connected: the system drops what comes from any other address.
            self._socket.connect((address, number))
            loop.add_reader(self._socket.fileno(), self._readable)
        except BaseException:
            self._socket.close()
            raise

    def takes(self, now: float) -> bool:
        """Say whether it takes another question."""
        return self._left > 0 and now < self._until and bool(self._open)

    async def ask(self, asked: bytes, seconds: float, edns: bool) -> bytes:
        """Return the reply. Raises TimeoutError, or OSError where the server cannot be reached."""
        self._left -= 1
        ident = os.urandom(2)
        while ident in self._open:
            ident = os.urandom(2)
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._open[ident] = _Question(asked, future)
        timer = self._loop.call_later(seconds, _expire, future)
        try:
            with suppress(BlockingIOError):  # no room: a datagram that is lost
                self._socket.send(dns_wire.query(ident, asked, edns=edns))
            return await future
        finally:
            timer.cancel()
            del self._open[ident]
            if not self._open:
                self._loop.remove_reader(self._socket.fileno())
                self._socket.close()

    def _readable(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                reply = self._socket.recv(_LARGEST_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # ICMP says that nobody listens there; it does not say to which question.
                for waiting in self._open.values():
                    if not waiting.reply.done():
                        waiting.reply.set_exception(ConnectionRefusedError(error.errno))
                return
            question = self._open.get(reply[:2])
            if question is None or not dns_wire.belongs(reply, question.asked):
                self._left = 0
            elif not question.reply.done():
                question.reply.set_result(reply)


def _expire(future: asyncio.Future[bytes]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())
