"""MTA-STS, watched: is a domain's policy one that senders would get now, and since when not?

The start has logged how things are; from then on each change is logged, once. It must not know how
it is called.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from entrypoint.config.settings import Settings
from entrypoint.dns_records import Record
from entrypoint.log_line import Level, LogLine
from entrypoint.paths import RUN
from entrypoint.processes import in_child
from entrypoint.web.published import mta_sts_mode, web_records
from entrypoint.web.readiness import readiness
from filters.watched_file import Stamp, file_stamp

# Files that are not touched are looked at again all the same: a certificate expires by itself.
_SAME = 600.0  # seconds
_LOOK_SECONDS = 120.0

# By mode, what senders that know the policy do (RFC 8461 §5).
_MEANING: Mapping[str, tuple[Level, str]] = {
    "enforce": ("error", "until that is mended, those who know the policy hold back their mail"),
    "testing": ("warning", "those who know the policy deliver, and report it"),
    "withdraw": ("warning", "until that is mended, nobody hears that the policy is taken back"),
}


class MtaStsTicker:
    """Keeps how it was at the last look. trust: the sender's context, if not the public roots."""

    def __init__(self, run: Path = RUN, trust: ssl.SSLContext | None = None) -> None:
        self._run, self._trust = run, trust
        self._seen: tuple[tuple[object, ...], float] | None = None
        self._ready: Mapping[str, str | None] | None = None

    async def tick(self, settings: Settings, now: float | None = None) -> list[LogLine]:
        """What has changed; nothing is said of the first look. now: Unix time.

        Raises TimeoutError. A handshake for each domain takes its time: it is made in a process of
        its own.
        """
        now = time.time() if now is None else now
        stamps: list[Stamp | None] = [
            file_stamp(self._run / "tls" / name) for name in ("cert.pem", "key.pem")
        ]
        looked_at = (*stamps, settings.domains, settings.mail_hostname, mta_sts_mode(settings))
        if self._seen is not None:
            seen, when = self._seen
            if seen == looked_at and abs(now - when) < _SAME:
                return []
        ready = await in_child(partial(self._look, settings), _LOOK_SECONDS)
        before, self._ready = self._ready, ready
        self._seen = looked_at, now
        return [] if before is None else list(_changes(settings, before, self._ready))

    def _look(self, settings: Settings) -> Mapping[str, str | None]:
        return readiness(settings, self._run, self._trust)


def _changes(
    settings: Settings, before: Mapping[str, str | None], ready: Mapping[str, str | None]
) -> Iterator[LogLine]:
    for domain, objection in ready.items():
        known = domain in before
        if objection is None and not (known and before[domain] is None):
            lines = "; ".join(_records(settings, domain))
            yield LogLine(
                "info",
                f"{domain}: MTA-STS is ready; publish what `signpost dns {domain}` has now: "
                f"{lines}",
            )
        elif objection is not None and known and before[domain] is None:
            level, meaning = _MEANING[settings.mta_sts]
            text = f"{domain}: MTA-STS is no longer ready: {objection}; {meaning}"
            yield LogLine(level, text)
        elif objection is not None and not known:
            yield LogLine("warning", f"{domain}: no MTA-STS record yet: {objection}")


def _records(settings: Settings, domain: str) -> Iterator[str]:
    """Those that count only once the certificate passes."""
    waiting = set(web_records(settings, domain, ()))
    for parts in web_records(settings, domain, (domain,)):
        if parts not in waiting:
            yield Record(*parts).zone_line()
