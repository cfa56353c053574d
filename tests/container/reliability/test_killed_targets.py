"""MODE=test: what had its 250 is in the store, whatever was killed at whatever moment."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from ..harness.shell import wait_until
from ..harness.target import HOST, SMTP, TestTarget

pytestmark = pytest.mark.reliability

_CLIENTS = 8
_KILLS = 3  # supervisor ends the container of a program that ends more often
_BETWEEN = 5.0  # seconds
# By its arguments, with -9: the program itself and not who runs it.
_KILL = """
import os, pathlib, signal, sys
for entry in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        arguments = (entry / "cmdline").read_bytes().split(b"\\0")
        if sys.argv[1].encode() in arguments and entry.stat().st_uid and b"-c" not in arguments:
            os.kill(int(entry.name), signal.SIGKILL)
    except OSError:
        pass
"""


class Clients:
    """Send as fast as they are answered. accepted: Message-IDs that had their 250."""

    def __init__(self, target: TestTarget) -> None:
        self._ports = [target.port(port) for port in (25, SMTP)]
        self.accepted: set[str] = set()
        self.replies: Counter[bytes] = Counter()
        self._sent = 0

    async def run(self, until: float) -> None:
        await asyncio.gather(*(self._client(number, until) for number in range(_CLIENTS)))

    async def _client(self, number: int, until: float) -> None:
        while time.monotonic() < until:
            try:
                async with asyncio.timeout(20):
                    await self._session(self._ports[number % 2], until)
            except (OSError, EOFError, TimeoutError, ValueError):
                await asyncio.sleep(0.05)

    async def _session(self, port: int, until: float) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)

        async def say(command: bytes) -> bytes:
            writer.write(command)
            while (line := await reader.readline())[3:4] == b"-":
                pass
            if not line:
                raise EOFError
            return line

        try:
            await say(b"")
            await say(b"EHLO client.example\r\n")
            ends = min(until, time.monotonic() + 15)
            while time.monotonic() < ends:
                for command in (
                    b"MAIL FROM:<x@far.example>",
                    b"RCPT TO:<b@there.example>",
                    b"DATA",
                ):
                    if (await say(command + b"\r\n"))[:1] not in b"23":
                        raise ValueError
                self._sent += 1
                name = f"{self._sent}@client.example"
                head = f"Message-ID: <{name}>\r\nSubject: x\r\n\r\n".encode()
                reply = await say(head + b"y" * 900 + b"\r\n.\r\n")
                self.replies[reply[:3]] += 1
                if reply.startswith(b"250"):
                    self.accepted.add(name)
        finally:
            writer.close()


def stored(target: TestTarget) -> set[str]:
    found: set[str] = set()
    start = 0
    while page := target.get(f"/api/v1/messages?limit=1000&start={start}")["messages"]:
        found.update(item["MessageID"] for item in page)
        start += len(page)
    return found


@pytest.mark.parametrize("program", ["entrypoint.test_target", "filters.capture"])
def test_nothing_is_lost(target_image: None, program: str) -> None:
    with TestTarget() as target:
        clients = Clients(target)

        async def kill() -> None:
            for _ in range(_KILLS):
                await asyncio.sleep(_BETWEEN)
                await asyncio.to_thread(target.python, _KILL, program)

        async def both() -> None:
            until = time.monotonic() + _BETWEEN * (_KILLS + 1)
            await asyncio.gather(kill(), clients.run(until))

        asyncio.run(both())
        wait_until(lambda: target.request("GET", "/readyz")[0] == 200, "the target")
        assert clients.accepted - stored(target) == set()
        assert len(clients.accepted) > 100, clients.replies
