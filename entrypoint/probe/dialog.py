"""A small client for looking at servers that talk in lines: SMTP first, IMAP and others, too.

Every line and reply is bounded; time is for the caller to bound (asyncio.timeout). It must not know
what is looked for. It sends no message: there is no way to say DATA but to write it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from entrypoint.files import acting_as
from entrypoint.probe.tls_contexts import shown_chain

_LONGEST_LINE = 4_096  # octets; RFC 5321 §4.5.3.1.5 has 512
_MOST_LINES = 100
_FULL = 0.1  # seconds between two tries at a socket whose backlog is full


class DialogError(Exception):
    """What the other side says is not the protocol; the text says why."""


@dataclass(frozen=True)
class SmtpReply:
    """text: the lines behind the code, joined by spaces; a stranger's."""

    code: int
    text: str


class Dialog:
    """One connection to a server; make it with `dialog` or `socket_dialog`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def line(self) -> str:
        """Read one line, without its end. Raises DialogError or OSError."""
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            raise DialogError("the connection was closed") from None
        except asyncio.LimitOverrunError:
            raise DialogError("a line that is too long") from None
        return line.decode("ascii", "backslashreplace").strip()

    async def some(self) -> bytes:
        """Read the next bytes, whatever they are; none at the end."""
        return await self._reader.read(512)

    async def expect(self, *beginnings: str) -> str:
        """Read a line, which must begin with one of these. Raises DialogError or OSError."""
        line = await self.line()
        if not line.startswith(beginnings):
            raise DialogError(line[:200])
        return line

    async def until(self, *beginnings: str) -> str:
        """Read up to a line that begins with one of these, and return it.

        Raises DialogError or OSError.
        """
        for _ in range(_MOST_LINES):
            line = await self.line()
            if line.startswith(beginnings):
                return line
        raise DialogError("a reply that does not end")

    async def reply(self, *codes: str) -> SmtpReply:
        """Read an SMTP reply, of several lines perhaps, whose code must begin with one of these.

        Raises DialogError or OSError.
        """
        lines: list[str] = []
        for _ in range(_MOST_LINES):
            line = await self.line()
            lines.append(line[4:])
            if not line[:3].isdigit():
                raise DialogError("no SMTP server")
            if line[3:4] != "-":
                break
        else:
            raise DialogError("a reply that does not end")
        if codes and not line.startswith(codes):
            raise DialogError(line[:200])
        return SmtpReply(int(line[:3]), " ".join(lines))

    async def write(self, text: str) -> None:
        """Send text as it is."""
        self._writer.write(text.encode("ascii"))
        await self._writer.drain()

    async def send(self, command: str) -> None:
        """Send a line."""
        await self.write(f"{command}\r\n")

    async def say(self, command: str, *codes: str) -> SmtpReply:
        """Send an SMTP command and read its reply, whose code must begin with one of these."""
        await self.send(command)
        return await self.reply(*codes)

    def end_writing(self) -> None:
        """Nothing more will be sent."""
        self._writer.write_eof()

    async def begin_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Go on in TLS. Raises OSError or ssl.SSLError."""
        await self._writer.start_tls(context, server_hostname=name)

    def chain(self) -> tuple[bytes, ...]:
        """The certificates that the server sent, DER, its own first; none where there is no TLS."""
        return shown_chain(self._writer.get_extra_info("ssl_object"))


@asynccontextmanager
async def dialog(
    address: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    name: str | None = None,
    leave: str = "QUIT",
) -> AsyncIterator[Dialog]:
    """Connect; with `tls`, in TLS from the first byte. Raises OSError or ssl.SSLError.

    leave: the last line that is sent, "" for none.
    """
    reader, writer = await asyncio.open_connection(
        address, port, limit=_LONGEST_LINE, ssl=tls, server_hostname=name if tls else None
    )
    try:
        said = Dialog(reader, writer)
        yield said
        if leave:
            with suppress(OSError):
                await said.send(leave)
    finally:
        # Not close(): it would wait for the other side's end of TLS.
        writer.transport.abort()


@asynccontextmanager
async def socket_dialog(path: Path, user: str = "root") -> AsyncIterator[Dialog]:
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
        yield Dialog(reader, writer)
    finally:
        writer.transport.abort()


def reason(error: Exception) -> str:
    """An error of the network in a few words."""
    if isinstance(error, ssl.SSLError):
        return f"TLS fails ({error.reason or 'no reason given'})"
    if isinstance(error, OSError):
        # Not strerror: asyncio puts an address there.
        return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return str(error)
