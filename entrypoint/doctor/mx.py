"""Does a domain's mail come here? Its MX records (RFC 5321 §5.1, RFC 7505)."""

from __future__ import annotations

from collections.abc import Sequence

from entrypoint.doctor.addresses import addresses_of
from entrypoint.doctor.finding import Finding, unasked
from entrypoint.doctor.this_server import Facts
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver

_MOST = 10  # MX records that are looked into
_BOTH = ("A", "AAAA")


async def check_mx(domain: str, facts: Facts, ours: Sequence[str], resolver: Resolver) -> Finding:
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
            return await _implicit(domain, facts, ours, resolver)
        return await _judged(domain, exchanges, facts, ours, resolver)
    except DnsTemporaryError as error:
        return unasked("mx", domain, error.reason)


async def _implicit(domain: str, facts: Facts, ours: Sequence[str], resolver: Resolver) -> Finding:
    """Without MX records mail goes to the domain's own address (RFC 5321 §5.1)."""
    cure = facts.publish(domain, "MX")
    if set(await addresses_of(domain, _BOTH, resolver)) & set(ours):
        detail = "no MX record: mail comes here only because the domain's own address is ours"
        return Finding("mx", domain, "warn", detail, cure)
    return Finding("mx", domain, "fail", "no MX record: no mail comes here", cure)


async def _judged(
    domain: str,
    exchanges: Sequence[tuple[int, str]],
    facts: Facts,
    ours: Sequence[str],
    resolver: Resolver,
) -> Finding:
    cure = facts.publish(domain, "MX")
    shown = ", ".join(f"{preference} {host or '.'}" for preference, host in exchanges)
    if not any(host for _, host in exchanges):
        detail = 'the MX record is ".": it says that the domain takes no mail'
        return Finding("mx", domain, "fail", detail, cure)
    here: list[tuple[int, str]] = []
    elsewhere: list[tuple[int, str]] = []
    for preference, host in exchanges:
        mine = await _leads_here(host, facts, ours, resolver)
        (here if mine else elsewhere).append((preference, host))
    if not here:
        detail = f"the MX is {shown}: that does not lead here"
        return Finding("mx", domain, "fail", detail, cure)
    if elsewhere and elsewhere[0][0] <= here[0][0]:
        when = "first" if elsewhere[0][0] < here[0][0] else "too"
        detail = f"the MX is {shown}: mail goes to {elsewhere[0][1] or '.'}, {when}"
        return Finding(
            "mx", domain, "warn", detail, "take the other records out, or give them a larger number"
        )
    for _, host in here:
        if (await resolver.query(host, "CNAME")).names:
            detail = f"the MX is {shown}: {host} is an alias, which not every server follows"
            return Finding(
                "mx", domain, "warn", detail, "name a host with A and AAAA records (RFC 2181, 10.3)"
            )
    return Finding("mx", domain, "ok", f"the MX is {shown}")


async def _leads_here(host: str, facts: Facts, ours: Sequence[str], resolver: Resolver) -> bool:
    if host.lower() == facts.host:
        return True
    return bool(set(await addresses_of(host, _BOTH, resolver)) & set(ours)) if host else False
