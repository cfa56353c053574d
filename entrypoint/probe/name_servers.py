"""Does a name server answer, whatever it says? One small question for each of resolv.conf's."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from entrypoint.probe.dialog import reason
from entrypoint.probe.questions import Probe, ask_all
from entrypoint.resolv_conf import in_force, servers_in

_AGAIN = 2.0  # seconds
# A forwarder that says SERVFAIL so late has waited in vain for a server that is silent.
_LATE_FAILURE = 1.5  # seconds
_SERVFAIL = 2
# The name servers of the root: any server has the answer, or asks for it (RFC 1035 §4.1).
_QUESTION = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x00" + b"\x00\x02\x00\x01"


def name_servers(path: Path | None = None) -> list[str]:
    """The first three addresses, as resolvers take them; none where the file cannot be read."""
    try:
        return servers_in((path or in_force()).read_text("utf-8", "replace"))[:3]
    except OSError:
        return []


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, number: bytes) -> None:
        self._number, self._asked = number, time.monotonic()
        self.came: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Any answer to the question will do, a refusal, too."""
        if data[:2] != self._number or len(data) < 12 or not data[2] & 0x80 or self.came.done():
            return
        late = time.monotonic() - self._asked > _LATE_FAILURE
        if not (late and data[3] & 0x0F == _SERVFAIL):
            self.came.set_result(None)

    def error_received(self, exc: Exception) -> None:
        """The network says that nobody is there."""
        if not self.came.done():
            self.came.set_exception(exc)


async def ask(servers: Sequence[str], probe: Probe, port: int = 53) -> None:
    """Ask all of them again every two seconds, until one answers.

    Raises OSError where the network says of each at once that there is no way to it: a resolver
    then does not wait, either.
    """
    probe.step = "question"
    asked = [asyncio.ensure_future(_ask(server, port)) for server in servers]
    refusals = []
    try:
        for answer in asyncio.as_completed(asked):
            try:
                return await answer
            except OSError as error:
                refusals.append(reason(error))
    finally:
        for each in asked:
            each.cancel()
    raise OSError(", ".join(refusals))


async def unanswering(
    servers: Sequence[str], seconds: float, port: int = 53
) -> dict[str, str] | None:
    """Why each that does not answer within so long does not, by its address; all are asked at once.

    None where nothing can be said, for this process itself was held up. Nothing is raised.
    """
    questions = {server: partial(ask, [server], port=port) for server in servers}
    answers = await ask_all(questions, seconds)
    if not answers.conclusive:
        return None
    late = f"nothing within {seconds:g} s"
    return {
        server: probe.said.removeprefix("question: ") or late
        for server, probe in answers.probes.items()
        if not probe.answered
    }


async def _ask(server: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    number = secrets.token_bytes(2)
    transport, answer = await loop.create_datagram_endpoint(
        lambda: _Answer(number), remote_addr=(server.partition("%")[0], port)
    )
    try:
        while True:
            transport.sendto(number + _QUESTION)
            done, _ = await asyncio.wait((answer.came,), timeout=_AGAIN)
            if done:
                return await answer.came
    finally:
        transport.close()
