"""A small client for looking at servers that talk in lines: SMTP first, IMAP and others, too.

Every line and reply is bounded; time is for the caller to bound (asyncio.timeout). It must not know
what is looked for. It sends no message: there is no way to say DATA but to write it.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache

_LONGEST_LINE = 4_096  # octets; RFC 5321 §4.5.3.1.5 has 512
_MOST_LINES = 100


class DialogError(Exception):
    """What the other side says is not the protocol; the text says why."""


@dataclass(frozen=True)
class SmtpReply:
    """text: the lines behind the code, joined by spaces; a stranger's."""

    code: int
    text: str


class Dialog:
    """One connection to a server; make it with `dialog`."""

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

    async def until(self, *beginnings: str) -> str:
        """Read up to a line that begins with one of these, and return it.

        Raises DialogError or OSError.
        """
        for _ in range(_MOST_LINES):
            line = await self.line()
            if line.startswith(beginnings):
                return line
        raise DialogError("a reply that does not end")

    async def reply(self) -> SmtpReply:
        """Read an SMTP reply, of several lines perhaps. Raises DialogError or OSError."""
        lines: list[str] = []
        for _ in range(_MOST_LINES):
            line = await self.line()
            lines.append(line[4:])
            if not line[:3].isdigit():
                raise DialogError("no SMTP server")
            if line[3:4] != "-":
                return SmtpReply(int(line[:3]), " ".join(lines))
        raise DialogError("a reply that does not end")

    async def send(self, command: str) -> None:
        """Send a line."""
        self._writer.write(f"{command}\r\n".encode("ascii"))
        await self._writer.drain()

    async def say(self, command: str) -> SmtpReply:
        """Send an SMTP command and read its reply."""
        await self.send(command)
        return await self.reply()

    async def begin_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Go on in TLS. Raises OSError or ssl.SSLError."""
        await self._writer.start_tls(context, server_hostname=name)

    def certificate(self) -> bytes:
        """The certificate that the server showed, DER; b"" where there is no TLS."""
        tls = self._writer.get_extra_info("ssl_object")
        return (tls.getpeercert(binary_form=True) if tls is not None else None) or b""


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


def trusting(cafile: str | None = None) -> ssl.SSLContext:
    """A context that verifies chains with the system's authorities, or with those of a file."""
    context = ssl.create_default_context(cafile=cafile)
    context.check_hostname = False
    return context


@cache
def unverified() -> ssl.SSLContext:
    """A context for any certificate: whether it is good is another question than what it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def reason(error: Exception) -> str:
    """An error of the network in a few words."""
    if isinstance(error, ssl.SSLError):
        return f"TLS fails ({error.reason or 'no reason given'})"
    if isinstance(error, OSError):
        # Not strerror: asyncio puts an address there.
        return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return str(error)
