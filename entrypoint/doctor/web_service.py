"""Does the web service answer, here and at the public addresses, and do its names point to it?

It must not know sockets: it judges what entrypoint.probe.look has seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from entrypoint.config.settings import Settings
from entrypoint.doctor.certificate import has_name
from entrypoint.doctor.finding import NO_ADDRESS, Finding, Status, not_checked, skipped
from entrypoint.doctor.mta_sts import Sender, check_mta_sts
from entrypoint.doctor.ports import judge_local, judge_reached, ports_of
from entrypoint.doctor.probes import Probes
from entrypoint.doctor.this_server import ThisServer
from entrypoint.probe.addresses import addresses_of
from entrypoint.probe.look import Look
from filters.mailauth.dns.resolver import Resolver


@dataclass(frozen=True)
class WebLooks:
    """What was seen of the web service: here, and by public address."""

    local: Sequence[Look] = ()
    public: Mapping[str, Sequence[Look]] = field(default_factory=dict)

    @property
    def certificate(self) -> bytes:
        """The one that is shown here, DER; b"" if none is."""
        return next((each.certificate for each in self.local if each.certificate), b"")


def judge_web(looks: WebLooks) -> list[Finding]:
    """The ports here, and those at each public address."""
    return [
        *judge_local(looks.local),
        *(_reached(ip, seen, looks.certificate) for ip, seen in looks.public.items()),
    ]


def _reached(address: str, looks: Sequence[Look], ours: bytes) -> Finding:
    others = [each for each in looks if ours and each.certificate and each.certificate != ours]
    if others:
        return Finding(
            "reach",
            None,
            "warn",
            f"{address} {ports_of(others)}: another certificate than here: another server answers",
            "forward the ports 80 and 443 to this container, or have the other server pass "
            "requests on",
            address,
        )
    return judge_reached(address, looks)


async def check_name(
    name: str,
    domain: str,
    server: ThisServer,
    ours: Sequence[str],
    certificate: bytes,
    resolver: Resolver,
) -> Finding:
    """One of the names that mail programs look for.

    ours: our public addresses. certificate: the one that is shown here, DER, b"" if none is.
    """

    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding("autoconfig", domain, status, f"{name}: {detail}", cure, name)

    publish = server.publish(name, "CNAME")
    found = await addresses_of(name, resolver)
    if found.error:
        return not_checked("autoconfig", domain, found.error, name)
    if not found.known:
        return finding("warn", "no such name: mail programs cannot find their settings", publish)
    if not ours:
        return skipped("autoconfig", domain, f"{name}: {NO_ADDRESS}", subject=name)
    strangers = [address for address in found.known if address not in ours]
    if strangers:
        return finding("warn", f"it points to {', '.join(strangers)}, not here", publish)
    if not certificate:  # the port's own finding says so
        seen = f"{name}: it points here; its certificate is not seen while port 443 does not answer"
        return skipped("autoconfig", domain, seen, subject=name)
    if not has_name(certificate, name):
        return finding(
            "warn",
            "it points here, and the certificate does not cover it: mail programs warn or give up",
            server.name_cure,
        )
    return finding("ok", "it points here, and the certificate covers it")


class WebService:
    """The web service of one configuration."""

    def __init__(self, settings: Settings, server: ThisServer, probes: Probes) -> None:
        self._settings, self._server, self._probes = settings, server, probes
        self.looks = WebLooks()

    async def look(self, ours: Sequence[str]) -> list[Finding]:
        """The ports here and at our public addresses; what was seen is in `looks` from then on."""
        if not self._settings.serves_web:
            return []
        here, *public = await asyncio.gather(
            self.look_here(), *(self._look(address) for address in ours)
        )
        self.looks = WebLooks(here, dict(zip(ours, public, strict=True)))
        return judge_web(self.looks)

    async def look_here(self) -> Sequence[Look]:
        """The ports as they are seen on the loopback address."""
        return await self._look(self._probes.loopback) if self._settings.serves_web else []

    def of_domain(
        self, domain: str, ours: Sequence[str], resolver: Resolver
    ) -> Iterator[tuple[str, Awaitable[list[Finding]]]]:
        """Each check of a domain by its name, after `look`."""
        if self._settings.enable_autoconfig:
            yield "autoconfig", self._autoconfig(domain, ours, resolver)
        if self._server.policy is not None:
            (port,) = (each.number for each in self._probes.web if each.implicit_tls)
            sender = Sender(self._probes.trust, port, self._probes.at)
            yield "mta-sts", check_mta_sts(domain, self._server, resolver, sender)

    async def _autoconfig(
        self, domain: str, ours: Sequence[str], resolver: Resolver
    ) -> list[Finding]:
        names = (f"{label}.{domain}" for label in ("autoconfig", "autodiscover"))
        return await asyncio.gather(
            *(
                check_name(name, domain, self._server, ours, self.looks.certificate, resolver)
                for name in names
            )
        )

    async def _look(self, address: str) -> Sequence[Look]:
        probes = self._probes
        return await probes.look(address, probes.web, self._settings.mail_hostname)
