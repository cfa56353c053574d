"""The certificate, watched: what the running server calls now and then, better often than seldom.

It must not know how it is called. Nothing here waits for another program; looking at the ports
after a change takes a moment.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from entrypoint.config.settings import Settings, SslType
from entrypoint.disks import explained
from entrypoint.tls.acme import Acme
from entrypoint.tls.pair import Fit, Pair, Paths, UnfitError, judged
from entrypoint.tls.replacement import Broken, Line, Ports, Source, Succession
from entrypoint.tls.servers import Servers
from entrypoint.tls.sources import candidates, chosen, ensure_self_signed
from filters.watched_file import Stamp, file_stamp

# How long files that have not been touched are not read again: judging costs milliseconds.
_SAME = 3600.0  # seconds

_Stamps = tuple[Stamp | None, ...]


class Serving(Protocol):
    """The servers that show the certificate; see `serving.Servers`."""

    def digest(self) -> str:
        """The digest of the pair that they read."""

    def serve(self, pair: Pair) -> None:
        """Let them have another."""

    def served(self, host: str) -> Mapping[int, str]:
        """The fingerprint that each port shows."""

    def restarting(self) -> bool:
        """Is one of them still to start?"""


class Ticker:
    """Keeps what need not outlast the process."""

    def __init__(
        self, data: Path, servers: Serving | None = None, acme: Acme | None = None
    ) -> None:
        self._data = data
        self._servers = servers or Servers()
        self._acme = acme or Acme(data)
        self._succession = Succession()
        self._seen: tuple[_Stamps, float] | None = None
        self._trouble = ""

    def tick(self, settings: Settings, now: float | None = None) -> list[Line]:
        """Take the certificate one step on; the lines for the log. Nothing is raised.

        now: Unix time.
        """
        now = time.time() if now is None else now
        try:
            lines = self._tick(settings, now)
            self._trouble = ""
        except OSError as error:
            trouble = explained(error)
            lines = [] if trouble == self._trouble else [("error", trouble)]
            self._trouble = trouble
        return lines

    def _tick(self, settings: Settings, now: float) -> list[Line]:
        lines = self._acme.tick(settings, now) if settings.ssl_type == "acme" else []
        if not self._acme.busy:
            lines += self._look(settings, now)
        if self._succession.expected is not None:
            restarting = self._servers.restarting()
            ports = {} if restarting else self._servers.served(settings.mail_hostname)
            lines += self._succession.compare(Ports(ports, restarting), now)
        return lines

    def _look(self, settings: Settings, now: float) -> list[Line]:
        stamps = tuple(map(file_stamp, candidates(settings, self._data)))
        if self._seen is not None:
            seen, when = self._seen
            if seen == stamps and abs(now - when) < _SAME:
                return []
        ensure_self_signed(settings, self._data, now)
        paths = chosen(settings, self._data)
        source, pair = _read(settings, paths, now)
        live, lines = self._succession.decide(source, self._servers.digest(), now)
        if live and pair is not None:
            self._servers.serve(pair)
        # What is fit or refused stays so until a file changes; anything else is looked at again.
        self._seen = (stamps, now) if self._succession.settled else None
        return lines


def _read(settings: Settings, paths: Paths, now: float) -> tuple[Source, Pair | None]:
    where = _NAMES[settings.ssl_type]
    pair = None
    try:
        pair = Pair.read(paths)
        found: Fit | Broken = judged(pair, settings.mail_hostname, now)
    except UnfitError as error:
        where = where.replace("CERT", "KEY") if error.part == "key" else where
        found = Broken(error.rule, error.cure)
    digest = pair.digest if pair else ""
    return Source(where, digest, _changed(paths), found), pair


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
