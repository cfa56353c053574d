"""The filter's end of the socket: questions out, answers and the state of things in.

It connects again for as long as smtpd lives. A question that was under way when the other end went
has no answer: the client tries again, for nobody can say whether the message was stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filters.capture.frames import FrameError, Header, frame, read_frame
from filters.capture.zones import RunZones

log = logging.getLogger(__name__)

_PATIENCE = 2.0  # seconds that a question waits for a connection: as long as a restart takes
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


class TargetGoneError(Exception):
    """Nobody stores anything now."""


@dataclass(frozen=True)
class FrontClient:
    """What is known of a client that another process speaks with. tls: its version."""

    login: str = ""
    tls: str = ""
    cipher: str = ""


class TargetLink:
    """zones, faults, clients: as the other end says.

    faults: whether it wants to be asked about each command. front: the port of smtpd's listener
    that the other process connects to; clients: those that it speaks for, by address and port.
    """

    def __init__(self, path: Path) -> None:
        self.zones = RunZones()
        self.faults = False
        self.front = 0
        self.clients: dict[tuple[str, int], FrontClient] = {}
        self._path = path
        self._ids = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[Header]] = {}

    async def connected(self) -> None:
        """Returns once the state is the other end's. Raises TargetGoneError."""
        if self._writer is None:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._connected.wait()
            except TimeoutError:
                raise TargetGoneError from None

    async def ask(self, header: Mapping[str, Any], body: bytes = b"") -> Header:
        """The answer. Raises TargetGoneError, at once where nobody is there."""
        writer = self._writer
        if writer is None:
            raise TargetGoneError
        number = next(self._ids)
        answer: asyncio.Future[Header] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            writer.write(frame({**header, "id": number}, body))
            return await answer
        finally:
            self._waiting.pop(number, None)

    def tell(self, header: Mapping[str, Any]) -> None:
        """What needs no answer, if anybody is there."""
        if self._writer is not None:
            self._writer.write(frame(header))

    async def run(self) -> None:
        """For ever."""
        pause = _FIRST_PAUSE
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            try:
                await self._converse(reader, writer)
            except (OSError, EOFError):
                pass
            except FrameError as error:
                log.error("the process that stores messages says what is no frame: %s", error)
            except Exception:  # whatever it says, there must be a next connection
                log.exception("what the process that stores messages says cannot be taken in")
            finally:
                self._gone()
                with contextlib.suppress(OSError):
                    writer.close()
            log.warning("the process that stores messages has gone; mail waits for it")
            await asyncio.sleep(_FIRST_PAUSE)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            header, _ = await read_frame(reader)
            if "state" in header:
                self._take_in(header)
                writer.write(frame({"state": header["state"]}))
                if header.get("complete"):
                    self._writer = writer
                    self._connected.set()
            else:
                answer = self._waiting.get(header["id"])
                if answer is not None and not answer.done():
                    answer.set_result(header)

    def _take_in(self, header: Header) -> None:
        if header.get("begin"):
            self.zones, self.faults = RunZones(), False
            self.clients.clear()
        if "zone" in header:
            self.zones.put(header["zone"], header["names"])
        if "faults" in header:
            self.faults = bool(header["faults"])
        if "front" in header:
            self.front = int(header["front"])
        if "client" in header:
            client = (header["client"][0], header["client"][1])
            known = header["known"]
            if known is None:
                self.clients.pop(client, None)
            else:
                self.clients[client] = FrontClient(**known)

    def _gone(self) -> None:
        self._writer = None
        self._connected.clear()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(TargetGoneError())
