"""Fetches a domain's MTA-STS policy as a sender of mail does (RFC 8461 §3.3).

From each address of the policy's host, over HTTPS; no redirect is followed. It must not know what a
policy says.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from entrypoint.doctor.certificate import has_name
from entrypoint.doctor.finding import quote
from entrypoint.doctor.this_server import ThisServer
from entrypoint.probe.addresses import addresses_of
from entrypoint.probe.dialog import reason
from entrypoint.probe.http import Page, PageError, get
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


async def fetch(domain: str, server: ThisServer, resolver: Resolver, sender: Sender) -> Fetched:
    """What every address of the policy's host has; the first trouble, if there is any.

    Raises DnsTemporaryError.
    """
    name = policy_host(domain)
    addresses = (await addresses_of(name, resolver)).all()[:_MOST_ADDRESSES]
    if not addresses:
        return Fetched(trouble=f"{name}: no such name", cure=server.publish(name, "CNAME"))
    pages = await asyncio.gather(*(_page(name, ip, server, sender) for ip in addresses))
    # Where one address can only not be reached from inside, the other one says.
    return max(pages, key=lambda page: (bool(page.trouble) and not page.inside, bool(page.text)))


async def _page(name: str, address: str, server: ThisServer, sender: Sender) -> Fetched:
    where = f"{name} ({address})"
    try:
        async with asyncio.timeout(SECONDS):
            page = await get(sender.at(address), sender.port, name, _PATH, sender.trust)
    except ssl.SSLCertVerificationError as error:
        why = f"the certificate does not verify: {error.verify_message}"
        return Fetched(trouble=f"{where}: {why}", cure=server.name_cure)
    except TimeoutError:
        return _unreached(where, f"no answer within {SECONDS:g} s")
    except (OSError, PageError) as error:
        return _unreached(where, reason(error))
    return _of_page(where, name, page, server)


def _unreached(where: str, why: str) -> Fetched:
    return Fetched(
        trouble=f"{where}: no answer from inside ({why})",
        cure="try it from another network; if it fails there, too, open port 443",
        inside=True,
    )


def _of_page(where: str, name: str, page: Page, server: ThisServer) -> Fetched:
    if not has_name(page.certificate, name):
        why = "the certificate does not cover the name"
        return Fetched(trouble=f"{where}: {why}", cure=server.name_cure)
    cure = f"point {name} to this server, which has the policy if MTA_STS is set"
    if page.status != 200:  # §3.3: a redirect is not followed
        return Fetched(trouble=f"{where}: HTTP status {page.status}, no policy", cure=cure)
    if page.type != "text/plain":  # §3.2
        kind = quote(page.type)
        return Fetched(trouble=f"{where}: the media type is {kind}, not text/plain", cure=cure)
    return Fetched(page.body)
