"""A small SMTP client for looking at servers: greeting, STARTTLS, certificate, single commands.

Every reply is bounded; time is for the caller to bound (asyncio.timeout). It must not know what
is looked for. It sends no message: there is no way to say DATA but to write it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

_LONGEST_LINE = 4_096  # octets; RFC 5321 §4.5.3.1.5 has 512
_MOST_LINES = 100


class DialogError(Exception):
    """What the other side says is no SMTP; the text says why."""


@dataclass(frozen=True)
class Reply:
    """text: the lines behind the code, joined by spaces; a stranger's."""

    code: int
    text: str


class Dialog:
    """One conversation with a server; make it with `dialog`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def reply(self) -> Reply:
        """Read one reply, of several lines perhaps. Raises DialogError or OSError."""
        lines: list[str] = []
        for _ in range(_MOST_LINES):
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                raise DialogError("the connection was closed") from None
            except asyncio.LimitOverrunError:
                raise DialogError("a line that is too long") from None
            text = line.decode("ascii", "backslashreplace").strip()
            lines.append(text[4:])
            if not text[:3].isdigit():
                raise DialogError("no SMTP server")
            if text[3:4] != "-":
                return Reply(int(text[:3]), " ".join(lines))
        raise DialogError("a reply that does not end")

    async def say(self, command: str) -> Reply:
        """Send a command and read its reply."""
        self._writer.write(f"{command}\r\n".encode("ascii"))
        await self._writer.drain()
        return await self.reply()

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Go on in TLS (RFC 3207). Raises DialogError, OSError or ssl.SSLError."""
        answer = await self.say("STARTTLS")
        if answer.code != 220:
            raise DialogError(f"STARTTLS is refused with {answer.code}")
        await self._writer.start_tls(context, server_hostname=name)

    def certificate(self) -> bytes:
        """The certificate that the server showed, DER; b"" where there is no TLS."""
        tls = self._writer.get_extra_info("ssl_object")
        return (tls.getpeercert(binary_form=True) if tls is not None else None) or b""


@asynccontextmanager
async def dialog(
    address: str, port: int, *, tls: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[Dialog]:
    """Connect; with `tls`, in TLS from the first byte. Raises OSError or ssl.SSLError."""
    reader, writer = await asyncio.open_connection(
        address, port, limit=_LONGEST_LINE, ssl=tls, server_hostname=name if tls else None
    )
    try:
        yield Dialog(reader, writer)
        with suppress(OSError):
            writer.write(b"QUIT\r\n")
            await writer.drain()
    finally:
        # Not close(): it would wait for the other side's end of TLS.
        writer.transport.abort()
