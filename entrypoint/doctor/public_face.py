"""The checks of the web service: its ports, the names that lead to it, MTA-STS.

Nothing is looked at where nothing of it is served. It must not know how checks are bounded in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from datetime import UTC, datetime

from entrypoint.doctor.facts import Facts
from entrypoint.doctor.finding import Finding
from entrypoint.doctor.listeners import Look
from entrypoint.doctor.mta_sts import check_mta_sts
from entrypoint.doctor.policy_fetch import Sender
from entrypoint.doctor.probes import Probes
from entrypoint.doctor.web import Face, check_name_leads, judge_face
from entrypoint.doctor.web_look import look_web
from entrypoint.settings import Settings
from filters.mailauth.resolver import Resolver


class PublicFace:
    """The web service of one configuration."""

    def __init__(self, settings: Settings, facts: Facts, probes: Probes) -> None:
        self._settings, self._facts, self._probes = settings, facts, probes
        self._face = Face()

    async def look(self, ours: Sequence[str]) -> list[Finding]:
        """The ports here and at our public addresses, and the certificate."""
        if not self._settings.serves_web:
            return []
        here, *public = await asyncio.gather(
            self.look_here(), *(self._look(address) for address in ours)
        )
        self._face = Face(here, dict(zip(ours, public, strict=True)))
        now = datetime.fromtimestamp(self._probes.time(), UTC)
        return judge_face(self._face, self._settings.mail_hostname, now)

    async def look_here(self) -> tuple[Look, ...]:
        """The ports as they are seen on the loopback address."""
        return await self._look(self._probes.loopback) if self._settings.serves_web else ()

    def of_domain(
        self, domain: str, ours: Sequence[str], resolver: Resolver
    ) -> Iterator[tuple[str, Awaitable[list[Finding]]]]:
        """Each check of a domain by its name, after `look`."""
        if self._settings.enable_autoconfig:
            yield "autoconfig", self._autoconfig(domain, ours, resolver)
        if self._facts.policy is not None:
            (port,) = (each.port for each in self._probes.web if each.implicit_tls)
            sender = Sender(self._probes.trust, port, self._probes.at)
            yield "mta-sts", check_mta_sts(domain, self._facts, resolver, sender)

    async def _autoconfig(
        self, domain: str, ours: Sequence[str], resolver: Resolver
    ) -> list[Finding]:
        names = (f"{label}.{domain}" for label in ("autoconfig", "autodiscover"))
        return await asyncio.gather(
            *(
                check_name_leads(name, domain, self._facts, ours, self._face, resolver)
                for name in names
            )
        )

    async def _look(self, address: str) -> tuple[Look, ...]:
        host, probes = self._settings.mail_hostname, self._probes
        return tuple(
            await asyncio.gather(
                *(look_web(probes.at(address), each, host, probes.trust) for each in probes.web)
            )
        )
