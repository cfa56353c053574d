"""Lines to and from a server, at a TCP port or a UNIX socket; every line is bounded.

Time is for the caller to bound. Whether a certificate is good is another question than whether the
server lives: none is checked.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from entrypoint.files import acting_as
from entrypoint.probe.asking import Probe, WrongAnswer

HOST = "127.0.0.1"
_LONGEST_LINE = 4_096  # octets
_MOST_LINES = 100
_FULL = 0.1  # seconds between two tries at a socket whose backlog is full


class Conversation:
    """One connection; make it with `at_port` or `at_socket`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def line(self) -> str:
        """The next line, without its end. Raises WrongAnswer or OSError."""
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            raise WrongAnswer("the connection was closed") from None
        except asyncio.LimitOverrunError:
            raise WrongAnswer("a line that is too long") from None
        return line.decode("ascii", "backslashreplace").rstrip("\r\n")

    async def some(self) -> bytes:
        """The next bytes, whatever they are; none at the end."""
        return await self._reader.read(512)

    async def send(self, text: str) -> None:
        """Send text as it is."""
        self._writer.write(text.encode("ascii"))
        await self._writer.drain()

    def end_writing(self) -> None:
        """Nothing more will be said."""
        self._writer.write_eof()

    async def until(self, *beginnings: str) -> str:
        """The first line that begins so, others being passed over; its text."""
        for _ in range(_MOST_LINES):
            line = await self.line()
            if line.startswith(beginnings):
                return line
        raise WrongAnswer("a reply that does not end")

    async def expect(self, *beginnings: str) -> str:
        """The next line, which must begin with one of these."""
        line = await self.line()
        if not line.startswith(beginnings):
            raise WrongAnswer(line[:200])
        return line

    async def reply(self, *codes: str) -> str:
        """An SMTP or LMTP reply (RFC 5321 §4.2.1), which must have one of these codes."""
        for _ in range(_MOST_LINES):
            line = await self.line()
            if not line[:3].isdigit():
                raise WrongAnswer(f"no SMTP reply: {line[:200]}")
            if line[3:4] != "-":
                break
        else:
            raise WrongAnswer("a reply that does not end")
        if not line.startswith(codes):
            raise WrongAnswer(line[:200])
        return line


@cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@asynccontextmanager
async def at_port(
    number: int, probe: Probe, *, tls: bool = False, host: str = HOST
) -> AsyncIterator[Conversation]:
    """Connect; with `tls`, in TLS from the first byte. Raises OSError or ssl.SSLError."""
    reader, writer = await asyncio.open_connection(host, number, limit=_LONGEST_LINE)
    try:
        if tls:
            probe.step = "TLS"
            await writer.start_tls(_context(), server_hostname="localhost")
        yield Conversation(reader, writer)
    finally:
        # Not close(): it would wait for the other side's end of TLS.
        writer.transport.abort()


@asynccontextmanager
async def at_socket(path: Path, user: str = "root") -> AsyncIterator[Conversation]:
    """Connect to a UNIX socket as its owner. Raises OSError."""
    link = socket.socket(socket.AF_UNIX)
    link.setblocking(False)
    try:
        while True:
            try:
                with acting_as(user):
                    link.connect(str(path))
                break
            except BlockingIOError:  # the backlog is full: nobody accepts
                await asyncio.sleep(_FULL)
        reader, writer = await asyncio.open_unix_connection(sock=link, limit=_LONGEST_LINE)
    except BaseException:
        link.close()
        raise
    try:
        yield Conversation(reader, writer)
    finally:
        writer.transport.abort()
