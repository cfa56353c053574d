"""Every check of one server, made side by side and within a bounded time.

The probes say where this server is to be looked at; tests have them look elsewhere. It must not
know how findings are shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from entrypoint.config.ports import Port
from entrypoint.config.settings import Settings
from entrypoint.doctor import client_addresses, clock, disk, outbound
from entrypoint.doctor.addresses import check_addresses, check_ptr, families
from entrypoint.doctor.certificate import judge_certificates
from entrypoint.doctor.chain import IssuedBy
from entrypoint.doctor.dkim import check_dkim
from entrypoint.doctor.dmarc import check_dmarc
from entrypoint.doctor.finding import NO_ADDRESS, Finding, skipped
from entrypoint.doctor.mx import check_mx
from entrypoint.doctor.outbound import check_outbound, check_relay_host
from entrypoint.doctor.ports import is_ours, judge_local, judge_public
from entrypoint.doctor.probes import Probes
from entrypoint.doctor.relaying import check_relaying
from entrypoint.doctor.spf import check_spf
from entrypoint.doctor.this_server import ThisServer
from entrypoint.doctor.web_service import WebService
from entrypoint.probe.look import Look
from filters.mailauth.dkim.signing_key import SigningKey
from filters.mailauth.dns.resolver import Lookup, Resolver

T = TypeVar("T")

SECONDS = 45.0  # for everything
_DNS_SECONDS = 20.0
_DNS_QUESTIONS = 300  # for one domain; include: can name many
_AT_ONCE = 20  # domains


class Checkup:
    """One run of all checks over a configuration."""

    def __init__(
        self, settings: Settings, keys: list[SigningKey], resolver: Resolver, probes: Probes
    ) -> None:
        self._settings = settings
        self._server = ThisServer.of(settings, keys)
        self._resolver = resolver
        self._probes = probes
        self._few = asyncio.Semaphore(_AT_ONCE)
        self._end = 0.0
        self._web = WebService(settings, self._server, probes)

    async def run(self) -> list[Finding]:
        """All findings, domain by domain, the host's own last. Nothing is raised."""
        self._end = asyncio.get_running_loop().time() + SECONDS
        if self._settings.demo:
            return [_DEMO, *_flat(await asyncio.gather(self._local(), self._here()))]
        lookup = self._lookup()
        # Everything else is compared with our addresses.
        found = await self._bounded("address", None, self._addresses(lookup))
        addressed, ours = found if isinstance(found, tuple) else (found, ())
        # The names of the web service are compared with the certificate that it shows.
        web = await self._many("port", None, self._web.look(ours))
        names = [self._name(name, owner, ours) for name, owner in self._server.names]
        host = [self._ptrs(ours), self._outside(ours, web), self._here()]
        of_names, of_host = await asyncio.gather(asyncio.gather(*names), asyncio.gather(*host))
        owned = zip(self._server.names, of_names, strict=True)
        both = [(owner, findings) for (_, owner), findings in owned]
        return [
            *_flat(findings for owner, findings in both if owner is not None),
            *addressed,
            *_flat(findings for owner, findings in both if owner is None),
            *_flat(of_host),
        ]

    # -- DNS --------------------------------------------------------------------------------

    async def _addresses(self, lookup: Lookup) -> tuple[list[Finding], tuple[str, ...]]:
        found = await families(self._server, lookup)
        ours = tuple(address for family in found for address in family.ours)
        return check_addresses(self._server, found), ours

    async def _name(self, name: str, owner: str | None, ours: Sequence[str]) -> list[Finding]:
        """Everything that DNS says of a name that sends mail."""
        server, lookup = self._server, self._lookup()
        checks: list[Awaitable[list[Finding]]] = []
        async with self._few:
            if owner is not None:
                checks.append(self._one("mx", owner, check_mx(name, server, ours, lookup)))
            checks.append(self._many("spf", owner, check_spf(name, server, ours, lookup)))
            keys = [key for key in server.keys if key.domain == name]
            checks += [self._one("dkim", owner, check_dkim(key, server, lookup)) for key in keys]
            if not keys and name in server.signing_domains:
                checks.append(_ready([skipped("dkim", owner, "no key of it can be used")]))
            checks.append(self._many("dmarc", owner, check_dmarc(name, server, lookup)))
            if owner is not None:
                checks += [
                    self._many(check, owner, made)
                    for check, made in self._web.of_domain(name, ours, lookup)
                ]
            return _flat(await asyncio.gather(*checks))

    async def _ptrs(self, ours: Sequence[str]) -> list[Finding]:
        made = (
            self._one("ptr", None, check_ptr(self._server, address, self._lookup()))
            for address in ours
        )
        return _flat(await asyncio.gather(*made)) or [skipped("ptr", None, NO_ADDRESS)]

    def _lookup(self) -> Lookup:
        return Lookup(self._resolver, seconds=_DNS_SECONDS, queries=_DNS_QUESTIONS)

    # -- sockets ----------------------------------------------------------------------------

    async def _outside(self, ours: Sequence[str], web: list[Finding]) -> list[Finding]:
        """web: the findings about the web service, which stand beside those of the other ports."""
        return _flat(
            await asyncio.gather(
                self._many("port", None, self._ports(ours, web)),
                self._relaying(ours),
                self._one("outbound", None, self._outbound()),
            )
        )

    async def _relaying(self, ours: Sequence[str]) -> list[Finding]:
        probes, host = self._probes, self._settings.mail_hostname
        made = (
            self._one(
                "open-relay",
                None,
                check_relaying(
                    *(address, host, self._settings.domains),
                    at=probes.at(address),
                    port=probes.smtp_port,
                ),
            )
            for address in ours
        )
        return _flat(await asyncio.gather(*made)) or [skipped("open-relay", None, NO_ADDRESS)]

    async def _ports(self, ours: Sequence[str], web: list[Finding]) -> list[Finding]:
        """The ports here and at our addresses, and the certificates that they show.

        web: the findings about the ports of the web service.
        """
        host = self._settings.mail_hostname
        imaps, local, *public = await asyncio.gather(
            self._imaps(),
            *(
                self._probes.look(address, self._probes.smtp, host)
                for address in (self._probes.loopback, *ours)
            ),
        )
        reached = [judge_public(ip, seen, host) for ip, seen in zip(ours, public, strict=True)]
        if not ours:
            reached = [skipped("reach", None, NO_ADDRESS)]
        certificates = judge_certificates(
            [*local, *imaps, *self._web.looks.local],
            # What another server shows there is not ours to renew.
            [
                *(each for seen in public for each in seen if is_ours(each, host)),
                *(each for seen in self._web.looks.public.values() for each in seen),
            ],
            host,
            datetime.fromtimestamp(self._probes.time(), UTC),
            IssuedBy.of(self._settings),
        )
        return [*judge_local([*local, *imaps]), *reached, *web, *certificates]

    async def _local(self) -> list[Finding]:
        return await self._many("port", None, self._local_ports())

    async def _local_ports(self) -> list[Finding]:
        probes, host = self._probes, self._settings.mail_hostname
        local, imaps, web = await asyncio.gather(
            probes.look(probes.loopback, probes.smtp, host), self._imaps(), self._web.look_here()
        )
        return judge_local([*local, *imaps, *web])

    async def _imaps(self) -> list[Look]:
        """The port that mail programs read on, if there is one."""
        probes, settings = self._probes, self._settings
        if not settings.enable_imap:
            return []
        return await probes.look(probes.loopback, probes.imaps, settings.mail_hostname)

    async def _outbound(self) -> Finding:
        settings = self._settings
        if settings.relay_host is not None:
            port = Port(settings.relay_port, "smtp", settings.relay_implicit_tls)
            return await check_relay_host(settings.relay_host, port)
        return await check_outbound(
            settings.doctor_probe_domain, self._lookup(), self._probes.smtp_port, self._probes.at
        )

    # -- this machine -----------------------------------------------------------------------

    async def _here(self) -> list[Finding]:
        probes, settings = self._probes, self._settings
        now = probes.time()

        async def at_once() -> list[Finding]:
            largest = settings.message_size_limit
            return [
                *([] if settings.demo else [client_addresses.check_clients(probes.clients)]),
                clock.check_clock(probes.data, probes.spool, now, probes.built),
                disk.check_disk(probes.data, largest),
                disk.check_disk(probes.spool, largest),
                *outbound.check_held(probes.spool),
            ]

        return [
            *await self._many("local", None, at_once()),
            *await self._one("queue", None, outbound.check_queue(now, probes.smtpctl)),
        ]

    # -- bounds -----------------------------------------------------------------------------

    async def _one(self, check: str, domain: str | None, made: Awaitable[Finding]) -> list[Finding]:
        found = await self._bounded(check, domain, made)
        return [found] if isinstance(found, Finding) else found

    async def _many(
        self, check: str, domain: str | None, made: Awaitable[list[Finding]]
    ) -> list[Finding]:
        return await self._bounded(check, domain, made)

    async def _bounded(
        self, check: str, domain: str | None, made: Awaitable[T]
    ) -> T | list[Finding]:
        """What a check returns; a warning where it does not end, or ends in an error of ours."""
        try:
            async with asyncio.timeout_at(self._end):
                return await made
        except TimeoutError:
            why, cure = f"not finished within {SECONDS:g} s", "try again later"
        except Exception as error:
            why, cure = (
                f"the check failed ({type(error).__name__}: {error})",
                "report this as a bug",
            )
        return [Finding(check, domain, "warn", why, cure)]


_DEMO = skipped(
    "demo",
    None,
    "this is a demo that nobody outside sends mail to: only what is local is checked",
    "set DOMAINS and ACCOUNTS for a server of your own",
)


async def _ready(findings: list[Finding]) -> list[Finding]:
    return findings


def _flat(lists: Iterable[list[Finding]]) -> list[Finding]:
    return [finding for each in lists for finding in each]
