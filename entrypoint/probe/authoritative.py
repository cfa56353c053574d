"""The TXT records that each authoritative server of a name has, aliases and referrals followed.

A resolver says who the servers are. They are asked themselves, for a resolver may remember an older
answer, and asking it would make it remember that there is none (RFC 2308). It must not know what
the records are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.TXT import TXT

from entrypoint.probe.addresses import addresses_of
from filters.mailauth.dns.resolver import Resolver

_ATTEMPTS = 2  # a datagram can be lost
_MOST_SERVERS = 16  # of a zone
_MOST_ADDRESSES = 4  # of a server
_MOST_STEPS = 6  # aliases and referrals, one after another


@dataclass(frozen=True)
class AuthoritativeServer:
    """A name server of a zone; trouble: why it has no address."""

    name: str
    addresses: tuple[str, ...]
    trouble: str = ""


@dataclass(frozen=True)
class TxtReply:
    """What one server says of TXT at a name.

    texts: the records, empty if there are none. alias: another name to ask for. referral: servers
    that know better. trouble: there is no answer, and why.
    """

    texts: tuple[bytes, ...] = ()
    alias: str | None = None
    referral: tuple[str, ...] = ()
    trouble: str | None = None


Ask = Callable[[str, str], Awaitable[TxtReply]]
Failure = Literal["", "unreachable", "no name server", "alias loop"]


@dataclass(frozen=True)
class ServerAnswer:
    """What a name server has in the end.

    name: where it was looked for, another name than the first where that is an alias. texts: the
    records, empty if there are none. failure: why that is not known; server is "" where it is not
    one server's. trouble: why it is unreachable.
    """

    server: str
    name: str
    texts: tuple[bytes, ...] = ()
    failure: Failure = ""
    trouble: str = ""


async def every_answer(
    zone: str, name: str, resolver: Resolver, ask: Ask
) -> tuple[ServerAnswer, ...]:
    """Ask every name server for TXT at a name, and those that aliases and referrals name.

    zone: the name or one above it, whose servers are asked first. An address without an answer
    counts only where its server has no other. Bound the time from outside. Raises
    DnsTemporaryError.
    """
    servers = await _servers_of(zone, resolver)
    if not servers:
        return (ServerAnswer("", zone, failure="no name server"),)
    found: list[ServerAnswer] = []
    waiting = [(name, servers)]
    for _ in range(_MOST_STEPS):
        further: dict[tuple[str, tuple[str, ...]], None] = {}
        for at, servers in waiting:
            if not servers:
                found.append(ServerAnswer("", at, failure="no name server"))
            for server, reply in await _replies(servers, at, ask):
                if reply.alias is not None or reply.referral:
                    further[reply.alias or at, reply.referral] = None
                elif reply.trouble is not None:
                    found.append(ServerAnswer(server, at, (), "unreachable", reply.trouble))
                else:
                    found.append(ServerAnswer(server, at, reply.texts))
        waiting = [(at, await _next(at, referral, resolver)) for at, referral in further]
    found += [ServerAnswer("", at, failure="alias loop") for at, _ in waiting]
    return tuple(found)


async def _next(
    name: str, referral: tuple[str, ...], resolver: Resolver
) -> tuple[AuthoritativeServer, ...]:
    return await (_addressed(referral, resolver) if referral else _servers_of(name, resolver))


async def _replies(
    servers: Sequence[AuthoritativeServer], name: str, ask: Ask
) -> list[tuple[str, TxtReply]]:
    """What they say at their addresses, by the server's name."""

    async def of_server(server: AuthoritativeServer) -> list[TxtReply]:
        if not server.addresses:
            return [TxtReply(trouble=server.trouble)]
        replies = [await ask(address, name) for address in server.addresses]
        # One address of a server may be out of reach, such as IPv6 from here.
        return [each for each in replies if each.trouble is None] or replies[:1]

    every = await asyncio.gather(*map(of_server, servers))
    return [
        (server.name, reply)
        for server, replies in zip(servers, every, strict=True)
        for reply in replies
    ]


async def _servers_of(name: str, resolver: Resolver) -> tuple[AuthoritativeServer, ...]:
    """The servers of the zone that a name is in; empty where none is found.

    Raises DnsTemporaryError.
    """
    while name:
        found = (await resolver.query(name, "NS")).names
        if found:
            return await _addressed(found, resolver)
        name = name.partition(".")[2]
    return ()


async def _addressed(names: tuple[str, ...], resolver: Resolver) -> tuple[AuthoritativeServer, ...]:
    """The servers of these names with their addresses, in the order of the names."""
    found = []
    for name in sorted(map(str.lower, names))[:_MOST_SERVERS]:
        addresses = await addresses_of(name, resolver)
        trouble = "" if addresses.known else addresses.error or "it has no address"
        found.append(AuthoritativeServer(name, addresses.known[:_MOST_ADDRESSES], trouble))
    return tuple(found)


async def ask(address: str, name: str, *, port: int = 53, seconds: float = 3.0) -> TxtReply:
    """Ask one server for TXT, without recursion (RFC 1035 §4.1.1). Nothing is raised."""
    try:
        question = dns.message.make_query(name, dns.rdatatype.TXT, use_edns=0, payload=1232)
    except dns.exception.DNSException as error:
        return TxtReply(trouble=f"it cannot be asked ({type(error).__name__})")
    question.flags &= ~dns.flags.RD
    trouble = ""
    for _ in range(_ATTEMPTS):
        try:
            answer, _tcp = await dns.asyncquery.udp_with_fallback(
                question, address, timeout=seconds, port=port, ignore_unexpected=True
            )
            return _read(answer, question.question[0].name)
        except dns.exception.Timeout:
            trouble = "no answer"
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            trouble = f"no answer that can be used ({type(error).__name__})"
    return TxtReply(trouble=trouble)


def _read(answer: dns.message.Message, name: dns.name.Name) -> TxtReply:
    code = answer.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return TxtReply(trouble=f"it answers {dns.rcode.to_text(code)}")
    if not answer.flags & dns.flags.AA:
        return _referral(answer, name)
    at = name
    for _ in range(len(answer.answer) + 1):
        texts = answer.get_rrset(answer.answer, at, dns.rdataclass.IN, dns.rdatatype.TXT)
        if texts is not None:
            return TxtReply(tuple(b"".join(r.strings) for r in texts if isinstance(r, TXT)))
        alias = answer.get_rrset(answer.answer, at, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if alias is None:
            break
        at = alias[0].target
    return TxtReply() if at == name else TxtReply(alias=at.to_text(omit_final_dot=True))


def _referral(answer: dns.message.Message, name: dns.name.Name) -> TxtReply:
    for rrset in answer.authority:
        if rrset.rdtype == dns.rdatatype.NS and name.is_subdomain(rrset.name):
            targets = [r.target.to_text(omit_final_dot=True) for r in rrset if isinstance(r, NS)]
            return TxtReply(referral=tuple(targets))
    return TxtReply(trouble="it does not know the zone")
