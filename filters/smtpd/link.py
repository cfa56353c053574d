"""The one socket to smtpd. Reading never stops: smtpd's lookup process would grow without bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Bytes that may wait for smtpd to take them before large messages are held back.
HIGH_WATER = 1 << 20
# Bytes that are read at once; as many as asyncio would allocate anew for each read.
LONGEST_READ = 1 << 18


class Outlet:
    """Where answers go: `target` takes the bytes, `room` is set while smtpd keeps up.

    Small answers are held until the whole read has been worked on, for each write wakes smtpd.
    """

    def __init__(self) -> None:
        self.target: Callable[[bytes], None] = lambda data: None
        self.room = asyncio.Event()
        self.room.set()
        self._held: list[bytes] = []

    def hold(self, answer: bytes) -> None:
        """Write it with the next `write` or `flush`, in its turn."""
        self._held.append(answer)

    def write(self, data: bytes) -> None:
        """Write it now, behind what is held."""
        if self._held:
            data = b"".join([*self._held, data])
            self._held.clear()
        self.target(data)

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            self.write(b"")


class Link(asyncio.BufferedProtocol):
    """Hands what arrives to `receive(data, write)`; `closed` is done at end of input."""

    def __init__(
        self, receive: Callable[[bytes, Callable[[bytes], None]], None], outlet: Outlet
    ) -> None:
        self._receive = receive
        self._outlet = outlet
        self._buffer = memoryview(bytearray(LONGEST_READ))
        self._write: Callable[[bytes], None] = lambda data: None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 -- a socket's is one
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self._write = transport.write

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes from smtpd go: the same place for every read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take in what smtpd has sent."""
        self._receive(bytes(self._buffer[:nbytes]), self._write)

    def pause_writing(self) -> None:
        """More than HIGH_WATER waits."""
        self._outlet.room.clear()

    def resume_writing(self) -> None:
        """smtpd has caught up."""
        self._outlet.room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of input: smtpd has ended, or wants this process to."""
        self._outlet.room.set()
        if not self.closed.done():
            self.closed.set_result(None)
