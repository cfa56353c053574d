"""A socket that answers as Dovecot's quota-status does, for the tests of those who ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

from filters.quota_status import QuotaStatus

FULL = {"alice@example.org", "carol@example.org"}
Answer = Callable[[str], bytes | None]
Sized = Callable[[int], bytes]


def usual(account: str) -> bytes:
    return b"action=FULL\n\n" if account in FULL else b"action=OK\n\n"


class Dovecot:
    """As its quota-status: `answer` gives what is said of an account; None breaks off.

    Or `sized` does, by the size.
    """

    def __init__(self, answer: Answer, sized: Sized | None = None) -> None:
        self.answer = answer
        self.sized = sized
        self.asked: list[str] = []
        self.sizes: list[int] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.talks: list[asyncio.Task[None]] = []

    def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.talks.append(asyncio.create_task(self.talk(reader, writer)))

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                text = (await reader.readuntil(b"\n\n")).decode()
                fields = dict(line.split("=", 1) for line in text.splitlines() if line)
                assert fields.keys() == {"request", "recipient", "size"}
                assert fields["request"] == "smtpd_access_policy"
                self.asked.append(fields["recipient"])
                self.sizes.append(int(fields["size"]))
                if self.sized is not None:
                    writer.write(self.sized(self.sizes[-1]))
                    continue
                assert fields["size"] == "0"
                said = self.answer(fields["recipient"])
                if said is None:
                    return
                writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def hang_up(self) -> None:
        """End every connection, as when nobody has used it for a minute."""
        for writer in self.writers:
            writer.close()
        await asyncio.gather(*self.talks)


@asynccontextmanager
async def listening(
    path: Path, answer: Answer = usual, sized: Sized | None = None
) -> AsyncIterator[Dovecot]:
    dovecot = Dovecot(answer, sized)
    server = await asyncio.start_unix_server(dovecot.meet, path)
    try:
        yield dovecot
    finally:
        server.close()
        await dovecot.hang_up()


@asynccontextmanager
async def asking(path: Path, timeout: float = 5, largest: int = 0) -> AsyncIterator[QuotaStatus]:
    quotas = QuotaStatus(path, timeout, largest)
    try:
        yield quotas
    finally:
        quotas.close()
        # The transports end in the loop's next turn.
        await asyncio.sleep(0)


def run(work: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await work

    asyncio.run(bounded())
