"""Fetches a domain's MTA-STS policy as a sender of mail does (RFC 8461 §3.3).

From each address of the policy's host, over HTTPS; no redirect is followed. It must not know what a
policy says.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from entrypoint.doctor.addresses import addresses_of
from entrypoint.doctor.certificate import has_name
from entrypoint.doctor.finding import quote
from entrypoint.doctor.this_server import Facts
from entrypoint.probe.http import Page, PageError, get
from entrypoint.probe.listeners import reason
from entrypoint.web.mta_sts import policy_host
from filters.mailauth.dns.resolver import Resolver

SECONDS = 15.0  # for one address; §3.3 gives senders a minute
_PATH = "/.well-known/mta-sts.txt"
_MOST_ADDRESSES = 4


@dataclass(frozen=True)
class Sender:
    """How a sender asks: with which authorities, on which port, and where for an address."""

    trust: ssl.SSLContext
    port: int
    at: Callable[[str], str]


@dataclass(frozen=True)
class Fetched:
    """trouble: why a sender would have no policy. inside: may that be so from inside only?"""

    text: bytes = b""
    trouble: str = ""
    cure: str = ""
    inside: bool = False


async def fetch(domain: str, facts: Facts, resolver: Resolver, sender: Sender) -> Fetched:
    """What every address of the policy's host has; the first trouble, if there is any.

    Raises DnsTemporaryError.
    """
    name = policy_host(domain)
    addresses = (await addresses_of(name, ("A", "AAAA"), resolver))[:_MOST_ADDRESSES]
    if not addresses:
        return Fetched(trouble=f"{name}: no such name", cure=facts.publish(name, "CNAME"))
    pages = await asyncio.gather(*(_page(name, ip, facts, sender) for ip in addresses))
    # Where one address can only not be reached from inside, the other one tells.
    return max(pages, key=lambda page: (bool(page.trouble) and not page.inside, bool(page.text)))


async def _page(name: str, address: str, facts: Facts, sender: Sender) -> Fetched:
    where = f"{name} ({address})"
    try:
        async with asyncio.timeout(SECONDS):
            page = await get(sender.at(address), sender.port, name, _PATH, sender.trust)
    except ssl.SSLCertVerificationError as error:
        why = f"the certificate does not verify: {error.verify_message}"
        return Fetched(trouble=f"{where}: {why}", cure=facts.name_cure)
    except TimeoutError:
        return _unreached(where, f"no answer within {SECONDS:g} s")
    except (OSError, PageError) as error:
        return _unreached(where, reason(error))
    return _judged(where, name, page, facts)


def _unreached(where: str, why: str) -> Fetched:
    return Fetched(
        trouble=f"{where}: no answer from inside ({why})",
        cure="try it from another network; if it fails there, too, open port 443",
        inside=True,
    )


def _judged(where: str, name: str, page: Page, facts: Facts) -> Fetched:
    if not has_name(page.certificate, name):
        why = "the certificate does not have the name"
        return Fetched(trouble=f"{where}: {why}", cure=facts.name_cure)
    lead = f"lead {name} here; with MTA_STS set, this server has the policy"
    if page.status != 200:  # §3.3: a redirect is not followed
        return Fetched(trouble=f"{where}: HTTP status {page.status}, no policy", cure=lead)
    if page.type != "text/plain":  # §3.2
        kind = quote(page.type)
        return Fetched(trouble=f"{where}: the type is {kind}, not text/plain", cure=lead)
    return Fetched(page.body)
