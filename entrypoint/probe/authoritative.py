"""One question to the servers that are authoritative for a name, and what each of them says.

A resolver tells who they are; they are asked themselves, for a resolver may remember an older
answer, and asking it would make it remember that there is none (RFC 2308). It must not know keys.
"""

from __future__ import annotations

from dataclasses import dataclass

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

from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver

_ATTEMPTS = 2  # a datagram can be lost
_MOST_SERVERS = 16  # of a zone
_MOST_ADDRESSES = 4  # of a server


@dataclass(frozen=True)
class Server:
    """A name server of a zone; trouble: why it has no address."""

    name: str
    addresses: tuple[str, ...]
    trouble: str = ""


@dataclass(frozen=True)
class Reply:
    """What one server says of TXT at a name.

    texts: the records, empty if there are none. alias: another name to ask for. referral: servers
    that know better. trouble: there is no answer, and why.
    """

    texts: tuple[bytes, ...] = ()
    alias: str | None = None
    referral: tuple[str, ...] = ()
    trouble: str | None = None


async def servers_of(name: str, resolver: Resolver) -> tuple[Server, ...]:
    """The servers of the zone that a name is in; empty where none is found.

    Raises DnsTemporaryError.
    """
    while name:
        found = (await resolver.query(name, "NS")).names
        if found:
            return await addressed(found, resolver)
        name = name.partition(".")[2]
    return ()


async def addressed(names: tuple[str, ...], resolver: Resolver) -> tuple[Server, ...]:
    """The servers of these names with their addresses, in the order of the names."""
    return tuple(
        [await _addressed(name, resolver) for name in sorted(map(str.lower, names))[:_MOST_SERVERS]]
    )


async def _addressed(name: str, resolver: Resolver) -> Server:
    found: list[str] = []
    trouble = "it has no address"
    for rdtype in ("A", "AAAA"):
        try:
            found += (await resolver.query(name, rdtype)).names
        except DnsTemporaryError as error:
            trouble = error.reason
    return Server(name, tuple(found[:_MOST_ADDRESSES]), "" if found else trouble)


async def ask(address: str, name: str, *, port: int = 53, seconds: float = 3.0) -> Reply:
    """Ask one server for TXT, without recursion (RFC 1035 §4.1.1). Nothing is raised."""
    try:
        question = dns.message.make_query(name, dns.rdatatype.TXT, use_edns=0, payload=1232)
    except dns.exception.DNSException as error:
        return Reply(trouble=f"it cannot be asked ({type(error).__name__})")
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
    return Reply(trouble=trouble)


def _read(answer: dns.message.Message, name: dns.name.Name) -> Reply:
    code = answer.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Reply(trouble=f"it answers {dns.rcode.to_text(code)}")
    if not answer.flags & dns.flags.AA:
        return _referral(answer, name)
    at = name
    for _ in range(len(answer.answer) + 1):
        texts = answer.get_rrset(answer.answer, at, dns.rdataclass.IN, dns.rdatatype.TXT)
        if texts is not None:
            return Reply(tuple(b"".join(r.strings) for r in texts if isinstance(r, TXT)))
        alias = answer.get_rrset(answer.answer, at, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if alias is None:
            break
        at = alias[0].target
    return Reply() if at == name else Reply(alias=at.to_text(omit_final_dot=True))


def _referral(answer: dns.message.Message, name: dns.name.Name) -> Reply:
    for rrset in answer.authority:
        if rrset.rdtype == dns.rdatatype.NS and name.is_subdomain(rrset.name):
            targets = [r.target.to_text(omit_final_dot=True) for r in rrset if isinstance(r, NS)]
            return Reply(referral=tuple(targets))
    return Reply(trouble="it does not know the zone")
