"""Does a domain's mail come here? Its MX records (RFC 5321 §5.1, RFC 7505)."""

from __future__ import annotations

from collections.abc import Sequence

from entrypoint.doctor.finding import Finding, not_checked
from entrypoint.doctor.this_server import ThisServer
from entrypoint.probe.addresses import Addresses, addresses_of
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver

_MOST = 10  # MX records that are looked into


async def check_mx(
    domain: str, server: ThisServer, ours: Sequence[str], resolver: Resolver
) -> Finding:
    """ours: our public addresses."""
    try:
        answer = await resolver.query(domain, "MX")
        if answer.nxdomain:
            return Finding(
                "mx",
                domain,
                "fail",
                "the domain does not exist in DNS",
                "register it, or correct DOMAINS; a new domain may take some hours",
            )
        exchanges = sorted(answer.exchanges)[:_MOST]
        if not exchanges:
            return await _implicit(domain, server, ours, resolver)
        return await _of_exchanges(domain, exchanges, server, ours, resolver)
    except DnsTemporaryError as error:
        return not_checked("mx", domain, error.reason)


async def _implicit(
    domain: str, server: ThisServer, ours: Sequence[str], resolver: Resolver
) -> Finding:
    """Without MX records mail goes to the domain's own address (RFC 5321 §5.1)."""
    cure = server.publish(domain, "MX")
    if _is_here(await addresses_of(domain, resolver), ours):
        detail = (
            "no MX record: mail comes here only because the domain's own address is this server's"
        )
        return Finding("mx", domain, "warn", detail, cure)
    return Finding("mx", domain, "fail", "no MX record: no mail comes here", cure)


async def _of_exchanges(
    domain: str,
    exchanges: Sequence[tuple[int, str]],
    server: ThisServer,
    ours: Sequence[str],
    resolver: Resolver,
) -> Finding:
    cure = server.publish(domain, "MX")
    shown = ", ".join(f"{preference} {host or '.'}" for preference, host in exchanges)
    if not any(host for _, host in exchanges):
        detail = 'the MX record is ".": it says that the domain takes no mail'
        return Finding("mx", domain, "fail", detail, cure)
    here: list[tuple[int, str]] = []
    elsewhere: list[tuple[int, str]] = []
    for preference, host in exchanges:
        mine = await _points_here(host, server, ours, resolver)
        (here if mine else elsewhere).append((preference, host))
    if not here:
        detail = f"the MX is {shown}: it does not point here"
        return Finding("mx", domain, "fail", detail, cure)
    if elsewhere and elsewhere[0][0] <= here[0][0]:
        when = "first" if elsewhere[0][0] < here[0][0] else "too"
        detail = f"the MX is {shown}: mail goes to {elsewhere[0][1] or '.'} {when}"
        return Finding(
            "mx",
            domain,
            "warn",
            detail,
            "remove the other records, or give them a larger preference",
        )
    for _, host in here:
        if (await resolver.query(host, "CNAME")).names:
            detail = f"the MX is {shown}: {host} is an alias, which not every server follows"
            return Finding(
                "mx", domain, "warn", detail, "name a host with A and AAAA records (RFC 2181, 10.3)"
            )
    return Finding("mx", domain, "ok", f"the MX is {shown}")


async def _points_here(
    host: str, server: ThisServer, ours: Sequence[str], resolver: Resolver
) -> bool:
    if host.lower() == server.host:
        return True
    return bool(host) and _is_here(await addresses_of(host, resolver), ours)


def _is_here(addresses: Addresses, ours: Sequence[str]) -> bool:
    """Raises DnsTemporaryError where DNS does not say."""
    here = addresses.point_to(ours)
    if here is None:
        addresses.all()  # raises, unless it is ours that are not known: nothing comes here then
    return bool(here)
