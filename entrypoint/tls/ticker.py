"""The certificate, watched: what the running server calls now and then, better often than seldom.

Which one the servers read, how they are made to read another, and whether their ports show it. It
must not know where a certificate comes from. Files are read in a process of their own; servers and
ports are awaited.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from entrypoint.config.ports import Port, rendered_ports
from entrypoint.config.problems import BrokenRuleError
from entrypoint.config.settings import Settings, SslType
from entrypoint.disks import explained
from entrypoint.log_line import LogLine
from entrypoint.paths import PORTS, RUN
from entrypoint.probe.look import fingerprints
from entrypoint.processes import in_child, run_program
from entrypoint.render import write_certificate
from entrypoint.supervise import restarts
from entrypoint.tls.acme import Acme
from entrypoint.tls.pair import Fit, Pair, Paths, UnfitError, check_fit
from entrypoint.tls.replacement import Broken, CertificateSource, Ports, Replacement
from entrypoint.tls.sources import candidates, chosen, ensure_self_signed
from filters.log_throttle import Throttle
from filters.watched_file import Stamp, file_stamp

_TIMEOUT = 10.0  # seconds
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
        done = await run_program(command, _TIMEOUT)
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


# How long files that have not been touched are not read again: judging costs milliseconds.
_SAME = 3600.0  # seconds
_DISK_SECONDS = 60.0

_Stamps = tuple[Stamp | None, ...]


class Serving(Protocol):
    """The servers that show the certificate; see `serving.Servers`."""

    def digest(self) -> str:
        """The digest of the pair that they read."""

    async def serve(self, pair: Pair) -> None:
        """Let them have another."""

    async def served(self, host: str) -> Mapping[int, str]:
        """The fingerprint that each port shows."""

    def restarting(self) -> bool:
        """Is one of them still to start?"""


class CertificateTicker:
    """Keeps what need not outlast the process."""

    def __init__(
        self, data: Path, servers: Serving | None = None, acme: Acme | None = None
    ) -> None:
        self._data = data
        self._servers = servers or Servers()
        self._acme = acme or Acme(data)
        self._replacement = Replacement()
        self._seen: tuple[_Stamps, float] | None = None
        self._troubles = Throttle[str]()

    async def tick(self, settings: Settings, now: float | None = None) -> list[LogLine]:
        """Take the certificate one step on; the lines for the log.

        now: Unix time. Nothing is raised.
        """
        now = time.time() if now is None else now
        try:
            lines = await self._tick(settings, now)
            self._troubles.news(())
        except OSError as error:
            late = "the certificate's files cannot be read and written in time"
            trouble = late if isinstance(error, TimeoutError) else explained(error)
            lines = [LogLine("error", text) for text in self._troubles.news([trouble])]
        return lines

    async def _tick(self, settings: Settings, now: float) -> list[LogLine]:
        lines = await self._acme.tick(settings, now) if settings.ssl_type == "acme" else []
        if not self._acme.busy:
            lines += await self._look(settings, now)
        if self._replacement.expected is not None:
            restarting = self._servers.restarting()
            ports = {} if restarting else await self._servers.served(settings.mail_hostname)
            lines += self._replacement.compare(Ports(ports, restarting), now)
        return lines

    async def _look(self, settings: Settings, now: float) -> list[LogLine]:
        stamps = tuple(map(file_stamp, candidates(settings, self._data)))
        if self._seen is not None:
            seen, when = self._seen
            if seen == stamps and abs(now - when) < _SAME:
                return []
        source, pair = await in_child(partial(_read, settings, self._data, now), _DISK_SECONDS)
        live, lines = self._replacement.decide(source, self._servers.digest(), now)
        if live and pair is not None:
            await self._servers.serve(pair)
        # What is fit or refused stays so until a file changes; anything else is looked at again.
        self._seen = (stamps, now) if self._replacement.settled else None
        return lines


def _read(settings: Settings, data: Path, now: float) -> tuple[CertificateSource, Pair | None]:
    ensure_self_signed(settings, data, now)
    paths, where = chosen(settings, data), _NAMES[settings.ssl_type]
    pair = None
    try:
        pair = Pair.read(paths)
        found: Fit | Broken = check_fit(pair, settings.mail_hostname, now)
    except UnfitError as error:
        where = where.replace("CERT", "KEY") if error.part == "key" else where
        found = Broken(error.rule, error.cure)
    digest = pair.digest if pair else ""
    return CertificateSource(where, digest, _changed(paths), found), pair


# How a person calls the place that a certificate comes from.
_NAMES: Mapping[SslType, str] = {
    "manual": "SSL_CERT_PATH",
    "acme": "ACME",
    "self-signed": "the self-signed certificate",
}


def _changed(paths: Paths) -> float:
    """When a file was last written, replaced or renamed (Unix time); 0 where none is there."""
    moments = [0.0]
    for path in (paths.certificate, paths.key):
        with contextlib.suppress(OSError):
            moments.append(path.stat().st_ctime)
    return max(moments)
