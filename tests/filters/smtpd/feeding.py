"""Bytes for a FilterServer without a socket."""

import asyncio
from collections.abc import Iterable

from filters.smtpd import FilterServer


def feed(server: FilterServer, pieces: Iterable[bytes], *, at_once: bool = False) -> list[bytes]:
    """What the server says after each piece: all of it, or `at_once` what no turn was needed for.

    The last of the list is what it says to the end of its work.
    """
    said = bytearray()
    answers = []

    async def main() -> None:
        for piece in pieces:
            server.receive(piece, said.extend)
            if not at_once:
                await _rest(server)
            answers.append(bytes(said))
            said.clear()
        await _rest(server)
        answers.append(bytes(said))

    asyncio.run(main())
    return answers


async def _rest(server: FilterServer) -> None:
    async with asyncio.timeout(10):
        while not server.at_rest:
            await asyncio.sleep(0)
