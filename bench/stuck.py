"""Other people's mail while 1,000 messages wait for a name server that never answers.

Probes go out at a fixed pace, whatever becomes of those before them: to an idle server, to one
with as many clients who have not finished their messages (what those sessions cost smtpd itself),
and while the stuck messages are in hand. It must not know which filters it asks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

# Connections that are being opened at one time: smtpd's backlog is 5, and one that does not fit
# is never answered.
AT_ONCE = 4
PROBES = 16  # connections to each listener that the probes share
PACE = 0.01  # seconds between two probes; the listeners take turns
# The first stuck message to come back ends the probing, so that all are in hand during it.
LONGEST_WINDOW = 8.0
LONGEST_CYCLE = 120.0


@dataclass(frozen=True)
class Mail:
    """One delivery; `data` has CRLF line ends and needs no dot-stuffing."""

    port: int
    sender: str
    recipient: str
    data: bytes


@dataclass
class Cycle:
    """Seconds from MAIL to the last reply of every probe, by port; and the stuck ones' fate."""

    idle: dict[int, list[float]] = field(default_factory=dict)
    held: dict[int, list[float]] = field(default_factory=dict)
    stuck: dict[int, list[float]] = field(default_factory=dict)
    in_hand: int = 0
    window: float = 0.0
    accepted: int = 0
    longest: float = 0.0


class _Client:
    """One SMTP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        await client._expect(b"220")
        await client._command(b"HELO client.example.net", b"250")
        return client

    async def deliver(self, mail: Mail, sent: Callable[[], None] = lambda: None) -> float:
        """Seconds until the reply to the message; `sent` is called when all of it is written."""
        start = time.perf_counter()
        await self.begin(mail)
        await self.finish(sent)
        return time.perf_counter() - start

    async def begin(self, mail: Mail) -> None:
        """All of a message but its last dot."""
        await self._command(f"MAIL FROM:<{mail.sender}>".encode(), b"250")
        await self._command(f"RCPT TO:<{mail.recipient}>".encode(), b"250")
        await self._command(b"DATA", b"354")
        self._writer.write(mail.data)

    async def finish(self, sent: Callable[[], None] = lambda: None) -> None:
        """The last dot and its reply."""
        self._writer.write(b".\r\n")
        await self._writer.drain()
        sent()
        await self._expect(b"250")

    async def close(self) -> None:
        await self._command(b"QUIT", b"221")
        self._writer.close()

    async def _command(self, command: bytes, code: bytes) -> None:
        self._writer.write(command + b"\r\n")
        await self._expect(code)

    async def _expect(self, code: bytes) -> None:
        reply = await self._reader.readline()
        if not reply.startswith(code):
            raise RuntimeError(f"smtpd said {reply!r} instead of {code!r}")


async def cycle(probes: Sequence[Mail], stuck: Sequence[Mail]) -> Cycle:
    """Probe an idle server, then one with all the stuck messages in hand, as long as they are.

    Raises TimeoutError where smtpd leaves somebody without a reply.
    """
    async with asyncio.timeout(LONGEST_CYCLE):
        outcome = Cycle()
        pools: dict[int, asyncio.Queue[_Client]] = {mail.port: asyncio.Queue() for mail in probes}
        for port, pool in pools.items():
            for _ in range(PROBES):
                pool.put_nowait(await _Client.open(port))
        answered = asyncio.Event()
        gate = asyncio.Semaphore(AT_ONCE)
        outcome.idle, _ = await _probe(pools, probes, answered, LONGEST_WINDOW / 2)
        # Those who only hold their sessions send what the probes send: it is judged at once.
        held = [Mail(mail.port, probes[0].sender, mail.recipient, probes[0].data) for mail in stuck]
        clients = await asyncio.gather(*(_hold(mail, gate) for mail in held))
        outcome.held, _ = await _probe(pools, probes, answered, LONGEST_WINDOW / 4)
        for client in clients:
            await client.finish()
            await client.close()
        sent: list[Mail] = []
        ends = [asyncio.create_task(_stick(mail, gate, sent, answered)) for mail in stuck]
        while len(sent) < len(stuck) and not answered.is_set():
            await asyncio.sleep(0.01)
        outcome.in_hand = len(sent)
        outcome.stuck, outcome.window = await _probe(pools, probes, answered, LONGEST_WINDOW)
        times = await asyncio.gather(*ends)
        outcome.accepted, outcome.longest = len(times), max(times)
        for pool in pools.values():
            while not pool.empty():
                await pool.get_nowait().close()
        return outcome


async def _probe(
    pools: dict[int, asyncio.Queue[_Client]],
    probes: Sequence[Mail],
    stop: asyncio.Event,
    seconds: float,
) -> tuple[dict[int, list[float]], float]:
    """Seconds of each probe by port, a wait for a free connection included; and of all."""

    async def one(mail: Mail) -> float:
        start = time.perf_counter()
        client = await pools[mail.port].get()
        await client.deliver(mail)
        pools[mail.port].put_nowait(client)
        return time.perf_counter() - start

    start = time.perf_counter()
    tasks: list[tuple[int, asyncio.Task[float]]] = []
    while time.perf_counter() - start < seconds and not stop.is_set():
        mail = probes[len(tasks) % len(probes)]
        tasks.append((mail.port, asyncio.create_task(one(mail))))
        due = start + len(tasks) * PACE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    window = time.perf_counter() - start
    found: dict[int, list[float]] = {mail.port: [] for mail in probes}
    for port, task in tasks:
        found[port].append(await task)
    return found, window


async def _hold(mail: Mail, gate: asyncio.Semaphore) -> _Client:
    async with gate:
        client = await _Client.open(mail.port)
        await client.begin(mail)
    return client


async def _stick(
    mail: Mail, gate: asyncio.Semaphore, sent: list[Mail], answered: asyncio.Event
) -> float:
    async with gate:
        client = await _Client.open(mail.port)
    try:
        taken = await client.deliver(mail, lambda: sent.append(mail))
    finally:
        answered.set()
    await client.close()
    return taken


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


@contextmanager
def many_descriptors() -> Iterator[None]:
    """As many files as the system gives: a thousand clients need a thousand."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
