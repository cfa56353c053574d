"""The MX of the outside domains: it takes mail, or defers, hangs or rejects, as a file says.

    python3 -m tests.soak.outside RUN FOLDER

In FOLDER `mode` has the word, and `received` gets a line of JSON for each message that it answered
250 or 550 at its end. It runs in a container that has nothing but Python.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.soak.numbered import read

LONGEST = 4_000_000
# Always refused, whatever the mode; and those whose mailboxes are elsewhere, so never rejected.
REFUSED, SENDERS = b"<refused", b"@senders."


class Mx:
    """All sessions of a run."""

    def __init__(self, run: str, folder: Path) -> None:
        self._run, self._folder = run, folder
        self._received = (folder / "received").open("a")
        self._hanging: set[asyncio.StreamWriter] = set()
        self._sessions = 0

    def _mode(self) -> str:
        return (self._folder / "mode").read_text().strip()

    def close(self) -> None:
        """The end of the run."""
        self._received.close()

    async def watch(self) -> None:
        """Whoever hangs is cut off when the mode is another."""
        while True:
            await asyncio.sleep(0.1)
            if self._mode() != "hang":
                for writer in self._hanging:
                    writer.transport.abort()
                self._hanging.clear()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self._session(reader, writer)
        writer.close()

    async def _hang(self, writer: asyncio.StreamWriter) -> None:
        self._hanging.add(writer)
        while not writer.is_closing():
            await asyncio.sleep(0.2)
        raise ConnectionResetError

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sessions += 1
        # A third says nothing at all, a third nothing at RCPT, a third takes mail without a word.
        where = self._sessions % 3
        if self._mode() == "hang" and where == 0:
            await self._hang(writer)
        writer.write(b"220 sink ESMTP\r\n")
        sender = recipient = b""
        while line := await reader.readline():
            verb, mode = line[:4].upper(), self._mode()
            answer = b"250 2.0.0 Ok\r\n"
            if verb == b"EHLO":
                answer = b"250 sink\r\n"
            elif verb == b"MAIL":
                sender = line.partition(b":")[2].split()[0]
            elif verb == b"RCPT":
                recipient = line.partition(b":")[2].split()[0]
                if mode == "hang" and where == 1:
                    await self._hang(writer)
                if recipient.startswith(REFUSED):
                    answer = b"550 5.1.1 no such user here\r\n"
                elif mode == "defer":
                    answer = b"450 4.2.0 not now\r\n"
            elif verb == b"DATA":
                writer.write(b"354 Go ahead\r\n")
                data = await reader.readuntil(b"\r\n.\r\n")
                mode = self._mode()
                reject = mode == "reject" and SENDERS not in recipient
                self._note("rejected" if reject else "message", recipient, sender, data)
                if mode == "hang":
                    await self._hang(writer)
                if reject:
                    answer = b"550 5.7.1 we do not want this\r\n"
            elif verb == b"QUIT":
                writer.write(b"221 2.0.0 Bye\r\n")
                return
            writer.write(answer)

    def _note(self, kind: str, recipient: bytes, sender: bytes, data: bytes) -> None:
        content = data[:-3].replace(b"\r\n..", b"\r\n.")
        copy = read(self._run, content)
        address = recipient.strip(b"<>").decode("latin-1")
        if copy is None:
            fields = [-1, address, "unknown", False, time.time()]
        else:
            if copy.bounce and kind == "message":
                kind = "bounce" if sender == b"<>" else "unknown"
            fields = [copy.number, address, kind, copy.whole, time.time()]
        self._received.write(json.dumps(fields) + "\n")
        self._received.flush()


async def main(run: str, folder: Path) -> None:
    mx = Mx(run, folder)
    server = await asyncio.start_server(mx.talk, "0.0.0.0", 25, limit=LONGEST, backlog=128)
    async with server:
        await mx.watch()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
