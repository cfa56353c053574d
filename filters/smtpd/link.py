"""The one socket to smtpd. Reading never stops: smtpd's lookup process would grow without bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Bytes that may wait for smtpd to take them before large messages are held back.
HIGH_WATER = 1 << 20


class Link(asyncio.Protocol):
    """Hands what arrives to `receive(data, write)`; `closed` is done at end of input."""

    def __init__(self, receive: Callable[[bytes, Callable[[bytes], None]], None]) -> None:
        self._receive = receive
        self._write: Callable[[bytes], None] = lambda data: None
        self._room = asyncio.Event()
        self._room.set()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def writable(self) -> None:
        """Wait until smtpd has taken most of what was written."""
        await self._room.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 -- a socket's is one
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        """Bytes from smtpd."""
        self._receive(data, self._write)

    def pause_writing(self) -> None:
        """More than HIGH_WATER waits."""
        self._room.clear()

    def resume_writing(self) -> None:
        """smtpd has caught up."""
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """End of input."""
        self._room.set()
        if not self.closed.done():
            self.closed.set_result(None)
