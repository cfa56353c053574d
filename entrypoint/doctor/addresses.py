"""Our public addresses: the A and AAAA of MAIL_HOSTNAME, and the PTR records of these.

It must not know domains, nor anything of mail but the host's name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.doctor.finding import Finding, Status, not_checked
from entrypoint.doctor.this_server import ThisServer
from entrypoint.probe.addresses import addresses_of
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver

# RFC 1918, RFC 6598, RFC 4193, and what never leaves a host or its link. Not is_global: that
# rules out the addresses of documentation, too.
_INNER = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
        *("127.0.0.0/8", "169.254.0.0/16", "fc00::/7", "fe80::/10", "::1/128"),
    )
)
_MOST_NAMES = 5


@dataclass(frozen=True)
class Family:
    """One address family: what DNS lists for the host, what a variable gives, why DNS failed."""

    rdtype: str
    variable: str
    listed: tuple[str, ...] = ()
    given: str | None = None
    error: str = ""

    @property
    def ours(self) -> tuple[str, ...]:
        """The addresses that we count as ours."""
        return self.listed if self.given is None else (self.given,)


async def families(server: ThisServer, resolver: Resolver) -> tuple[Family, Family]:
    """Ask for the addresses of the host, IPv4 and IPv6."""
    v4, v6 = server.given
    return (
        await _family(server.host, "A", "PUBLIC_IPV4", v4, resolver),
        await _family(server.host, "AAAA", "PUBLIC_IPV6", v6, resolver),
    )


async def _family(
    host: str, rdtype: str, variable: str, given: str | None, resolver: Resolver
) -> Family:
    found = await addresses_of(host, resolver, (rdtype,))
    return Family(rdtype, variable, found.known, given, found.error)


def check_addresses(server: ThisServer, found: Sequence[Family]) -> list[Finding]:
    """Does the host's name point here, as far as that can be known?"""
    host = server.host
    if not any(family.ours or family.error for family in found):
        return [
            Finding(
                "address",
                None,
                "fail",
                f"{host} has no address in DNS: nobody can find this server",
                f"publish: {host}. IN A and this server's public IPv4 address, and AAAA if it has "
                "IPv6",
            )
        ]
    # Without IPv6 there is nothing to say of it.
    return [
        _of_family(host, family)
        for family in found
        if family.ours or family.error or family.rdtype == "A"
    ]


def _of_family(host: str, family: Family) -> Finding:
    rdtype, listed, given = family.rdtype, ", ".join(family.listed), family.given

    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding("address", None, status, detail, cure, rdtype)

    if family.error:
        return not_checked("address", None, family.error, rdtype)
    if given is not None and given not in family.listed:
        return finding(
            "fail",
            f"{rdtype} of {host} is {listed or 'missing'}, and {family.variable} is {given}",
            f"publish: {host}. IN {rdtype} {given}",
        )
    if not family.listed:
        return finding(
            "warn",
            f"{host} has no {rdtype} record: clients with IPv4 only cannot reach this server",
            f"publish: {host}. IN {rdtype} and this server's public IPv4 address",
        )
    inner = [address for address in family.listed if _is_inner(address)]
    if inner:
        return finding(
            "warn",
            f"{rdtype} of {host} is {listed}: {inner[0]} cannot be reached from the internet",
            f"publish this server's public address, and set {family.variable} to it",
        )
    if given is not None and len(family.listed) > 1:
        return finding(
            "warn",
            f"{rdtype} of {host} is {listed}, and {family.variable} is {given} alone",
            "remove the records of other servers",
        )
    return finding("ok", f"{rdtype} of {host} is {listed}")


def _is_inner(address: str) -> bool:
    return any(ipaddress.ip_address(address) in network for network in _INNER)


async def check_ptr(server: ThisServer, address: str, resolver: Resolver) -> Finding:
    """Is the address's name our HELO, and does that point back (RFC 1912 §2.1)?"""
    host = server.host
    cure = (
        f"have the reverse DNS of {address} set to {host}; whoever gave you the address (your "
        "hosting or internet provider) does it"
    )

    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding("ptr", None, status, detail, cure, address)

    try:
        answer = await resolver.query(ipaddress.ip_address(address).reverse_pointer, "PTR")
        names = [name.lower() for name in answer.names]
        rdtype = "AAAA" if ":" in address else "A"
        back = (await addresses_of(host, resolver, (rdtype,))).all()
    except DnsTemporaryError as error:
        return not_checked("ptr", None, error.reason, address)
    shown = ", ".join(names[:_MOST_NAMES])
    if host in names and address not in back:
        return finding(
            "fail",
            f"{address} is named {host}, and that name does not point back to it",
            f"publish: {host}. IN {rdtype} {address}",
        )
    if host in names:
        if len(names) > 1:
            return finding("warn", f"{address} has several names: {shown}", "remove the others")
        return finding("ok", f"{address} is named {host}, and that name points back to it")
    if server.relay_host is not None:
        return finding(
            "ok",
            f"{address} {f'is named {shown}' if shown else 'has no name'}, which does not matter: "
            f"mail leaves through {server.relay_host}",
        )
    if not names:
        return finding("fail", f"{address} has no name (no PTR record): much mail is refused", cure)
    return finding("fail", f"{address} is named {shown}, and this server's HELO is {host}", cure)
