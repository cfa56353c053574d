"""One look of the doctor at the real thing: the keys in /data, the name servers, this container."""

from __future__ import annotations

import asyncio
import logging

from entrypoint import data
from entrypoint.config.problems import ConfigurationError
from entrypoint.config.settings import Settings
from entrypoint.doctor.checkup import Checkup
from entrypoint.doctor.container import check_container
from entrypoint.doctor.finding import Finding
from entrypoint.doctor.probes import Probes
from filters.mailauth.dkim.signing_key import SigningKey
from filters.mailauth.dns.resolver import DnsResolver


def examine(settings: Settings) -> list[Finding]:
    """All findings; it takes less than a minute."""
    # Peers that break off TLS are findings, and no events of a log.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    keys: list[SigningKey] = []
    unusable: list[Finding] = []
    try:
        # A demo's mail does not leave, so nobody looks its key up.
        keys = [] if settings.demo else data.signing_keys(settings)
    except ConfigurationError as error:
        unusable = [
            Finding(
                "keys", None, "fail", line, "mail is not signed with it: see the log of the start"
            )
            for line in error.errors
        ]
    return [*unusable, *asyncio.run(_run(settings, keys))]


async def _run(settings: Settings, keys: list[SigningKey]) -> list[Finding]:
    resolver = DnsResolver(settings.dns_servers or None)
    try:
        found, here = await asyncio.gather(
            Checkup(settings, keys, resolver, Probes()).run(), check_container()
        )
        return [*found, *here]
    finally:
        await resolver.close()
