"""The certificate that the servers have, and how they are made to read another.

It must not know where a certificate comes from, nor when it is to be replaced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from entrypoint.config.ports import Port, rendered_ports
from entrypoint.config.problems import BrokenRuleError
from entrypoint.paths import PORTS, RUN
from entrypoint.probe.look import fingerprints
from entrypoint.processes import in_child, run_program
from entrypoint.render import write_certificate
from entrypoint.supervise import restarts
from entrypoint.tls.pair import Pair, Paths

_PATIENCE = 10.0  # seconds
_WRITE_SECONDS = 60.0
_LOOK_SECONDS = 30.0
_SMTPD = "smtpd"


async def _smtpd(ports: Sequence[Port]) -> None:
    # It reads certificates at its start only.
    restarts.request(_SMTPD)


async def _dovecot(ports: Sequence[Port]) -> None:
    if all(port.protocol == "smtp" for port in ports):
        return
    command = ("doveadm", "-c", str(RUN / "dovecot/dovecot.conf"), "reload")
    try:
        done = await run_program(command, _PATIENCE)
    except TimeoutError:
        raise OSError(0, "Dovecot does not answer in time", command[0]) from None
    if done.status:
        said = " ".join(done.errors.decode("utf-8", "backslashreplace").split())
        raise OSError(0, f"exit status {done.status}: {said}", command[0])


# Each makes one server read the new certificate, if that server is among those that serve the
# ports, and does not wait until it has. Raises OSError.
RELOADERS: tuple[Callable[[Sequence[Port]], Awaitable[None]], ...] = (_smtpd, _dovecot)


class Servers:
    """The servers of this container."""

    def digest(self) -> str:
        """The digest of the pair that they read; "" if there is none."""
        try:
            return Pair.read(Paths(RUN / "tls/cert.pem", RUN / "tls/key.pem")).digest
        except BrokenRuleError:
            return ""

    async def serve(self, pair: Pair) -> None:
        """Let them have another. Raises OSError."""
        await in_child(partial(write_certificate, RUN, pair.chain, pair.key), _WRITE_SECONDS)
        for reload in RELOADERS:
            await reload(self._ports())

    async def served(self, host: str) -> Mapping[int, str]:
        """The fingerprint that each port shows; nothing of any where one has no end in time."""
        ports = self._ports()
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return await fingerprints(ports, host)
        except TimeoutError:
            return {port.number: "" for port in ports}

    def restarting(self) -> bool:
        """Is one of them still to start?"""
        return restarts.is_pending(_SMTPD)

    def _ports(self) -> Sequence[Port]:
        return rendered_ports(RUN / PORTS)
