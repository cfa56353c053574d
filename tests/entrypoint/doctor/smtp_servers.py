"""Small SMTP servers on the loopback network, to be looked at by the doctor's probes."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Manner:
    """How a server answers. rcpt: to a recipient. tls None: it knows no STARTTLS."""

    greeting: str = "220 mail.example.org ESMTP"
    rcpt: str = "550 5.7.1 relaying denied"
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False


# Below those that the kernel gives to whoever asks for none (32768 and up): no other test's
# connection has one of them at the wrong moment.
_PORTS = range(15_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has at any address, none of them twice."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_PORTS)
        if port in found:
            continue
        with suppress(OSError), socket.create_server(("", port)):
            found.append(port)
    return found


@asynccontextmanager
async def serving(address: str, port: int, manner: Manner) -> AsyncIterator[tuple[int, list[str]]]:
    """The port (a free one for 0) and, filled as they come, the commands that clients gave."""
    heard: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            await _talk(manner, reader, writer, heard)
        writer.transport.abort()

    tls = manner.tls if manner.implicit_tls else None
    server = await asyncio.start_server(talk, address, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
        await server.wait_closed()


async def _talk(
    manner: Manner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[str]
) -> None:
    async def say(reply: str) -> None:
        writer.write(f"{reply}\r\n".encode())
        await writer.drain()

    await say(manner.greeting)
    while line := await reader.readline():
        heard.append(line.decode().strip())
        match (line.split() or [b""])[0].upper():  # HTTP has empty lines
            case b"EHLO":
                await say("250-mail.example.org\r\n250 STARTTLS")
            case b"STARTTLS" if manner.tls is None:
                await say("502 5.5.1 what is that?")
            case b"STARTTLS":
                await say("220 go ahead")
                await writer.start_tls(manner.tls)
            case b"RCPT":
                await say(manner.rcpt)
            case b"QUIT":
                await say("221 bye")
                return
            case _:
                await say("250 ok")
