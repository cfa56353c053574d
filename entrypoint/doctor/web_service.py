"""Does the web service answer, here and at the public addresses, and do its names lead to it?

It must not know sockets: it judges what web_look.py has seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from entrypoint.config.settings import Settings
from entrypoint.doctor.addresses import addresses_of
from entrypoint.doctor.certificate import has_name, judge_certificate
from entrypoint.doctor.finding import Finding, Status, unasked
from entrypoint.doctor.mta_sts import check_mta_sts
from entrypoint.doctor.policy_fetch import Sender
from entrypoint.doctor.ports import judge_local, judge_reached, ports_of
from entrypoint.doctor.probes import Probes
from entrypoint.doctor.this_server import Facts
from entrypoint.probe.http import look_web
from entrypoint.probe.listeners import Look
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver

_BOTH = ("A", "AAAA")


@dataclass(frozen=True)
class Face:
    """What was seen of the web service: here, and by public address."""

    local: tuple[Look, ...] = ()
    public: Mapping[str, tuple[Look, ...]] = field(default_factory=dict)

    @property
    def certificate(self) -> bytes:
        """The one that is served here, DER; b"" if none is."""
        return next((each.certificate for each in self.local if each.certificate), b"")


def judge_face(face: Face, host: str, now: datetime) -> list[Finding]:
    """The ports here, those at each public address, and the certificate on 443."""
    shown = [each for looks in (face.local, *face.public.values()) for each in looks]
    secure = [each for each in shown if each.listener.implicit_tls and not each.error]
    return [
        *judge_local(face.local),
        *(_reached(ip, looks, face.certificate) for ip, looks in face.public.items()),
        *([judge_certificate(secure, host, now)] if secure else []),
    ]


def _reached(address: str, looks: Sequence[Look], ours: bytes) -> Finding:
    others = [each for each in looks if ours and each.certificate and each.certificate != ours]
    if others:
        return Finding(
            "reach",
            None,
            "warn",
            f"{address} {ports_of(others)}: another certificate than here: another server answers",
            "lead the ports 80 and 443 to this container; or see to it that the other server hands "
            "on what is asked for",
            address,
        )
    return judge_reached(address, looks)


async def check_name_leads(
    name: str, domain: str, facts: Facts, ours: Sequence[str], face: Face, resolver: Resolver
) -> Finding:
    """One of the names that mail programs look for. ours: our public addresses."""

    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding("autoconfig", domain, status, f"{name}: {detail}", cure, name)

    publish = facts.publish(name, "CNAME")
    try:
        found = await addresses_of(name, _BOTH, resolver)
    except DnsTemporaryError as error:
        return unasked("autoconfig", domain, error.reason, name)
    if not found:
        return finding("warn", "no such name: mail programs do not find their settings", publish)
    if not ours:
        return finding("warn", "not checked: no public address of this server is known", publish)
    strangers = [address for address in found if address not in ours]
    if strangers:
        return finding("warn", f"it leads to {', '.join(strangers)}, not here", publish)
    if not face.certificate:  # which is told of the port
        return finding("ok", "it leads here")
    if not has_name(face.certificate, name):
        return finding(
            "warn",
            "it leads here, and the certificate does not have it: mail programs give up or ask",
            facts.name_cure,
        )
    return finding("ok", "it leads here, and the certificate has it")


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
