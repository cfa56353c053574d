"""DNS messages as bytes: a question to be sent, the reply that belongs to it, what it says.

It must not know sockets, servers or time.
"""

from __future__ import annotations

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from filters.mailauth.dns.types import Answer, RecordData

_LONGEST_TTL = 86_400.0  # one day
_LONGEST_NEGATIVE_TTL = 3_600.0  # RFC 2308 §5 suggests one to three hours
_MOST_RECORDS = 200

# RFC 1035 §4.1.1 after the id: RD, one question, and one additional record for EDNS.
_PLAIN = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
_WITH_EDNS = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
# RFC 6891 §6.1.2, with a payload of 1,232 octets: no reply needs to be fragmented.
_OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
_IN = b"\x00\x01"
_HEADER = 12
# A server that cannot read a question may leave it out of its reply.
_QUESTIONLESS = frozenset({1, 2, 4, 5})  # FORMERR, SERVFAIL, NOTIMP, REFUSED


def question(labels: tuple[bytes, ...], rdtype: str) -> bytes:
    """Return the question section for an absolute name. Raises ValueError for an unknown type."""
    name = b"".join(bytes((len(label),)) + label for label in labels)
    try:
        number = int(dns.rdatatype.from_text(rdtype))
    except dns.exception.DNSException:
        raise ValueError("an unknown type of record") from None
    return name + b"\x00" + number.to_bytes(2, "big") + _IN


def query(ident: bytes, asked: bytes, *, edns: bool = True) -> bytes:
    """Return the whole message that asks this question section. ident: two random octets."""
    return ident + _WITH_EDNS + asked + _OPT if edns else ident + _PLAIN + asked


def belongs(reply: bytes, asked: bytes) -> bool:
    """Say whether this is a reply to the question, the id apart (RFC 5452 §9.1)."""
    # QR is set and the opcode is QUERY.
    if len(reply) < _HEADER or reply[2] & 0xF8 != 0x80:
        return False
    if reply[4:6] == b"\x00\x00":
        return reply[3] & 0x0F in _QUESTIONLESS
    # No type or class that is asked for has an octet that lower() changes.
    section = reply[_HEADER : _HEADER + len(asked)]
    return reply[4:6] == b"\x00\x01" and section.lower() == asked


def truncated(reply: bytes) -> bool:
    """Say whether the rest is to be had over TCP."""
    return bool(reply[2] & 0x02)


def failure(reply: bytes) -> str | None:
    """Return the response code's name where there is no answer in the reply, else None."""
    code = dns.rcode.Rcode(reply[3] & 0x0F)
    if code in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return None
    return dns.rcode.to_text(code)


def read(reply: bytes, rdtype: str) -> tuple[float, Answer]:
    """Return the seconds that the answer may be kept, and the answer; reply: without failure().

    Raises dns.exception.DNSException or ValueError for what cannot be used.
    """
    response = dns.message.from_wire(reply)
    # EDNS adds upper bits to the response code (RFC 6891 §6.1.3).
    nxdomain = response.rcode() == dns.rcode.NXDOMAIN
    if not isinstance(response, dns.message.QueryMessage) or response.rcode() > 15:
        raise dns.exception.FormError
    chain = response.resolve_chaining()
    if chain.answer is None:
        ttl = min(float(chain.minimum_ttl), _LONGEST_NEGATIVE_TTL)
        # Without an SOA there is no TTL, and dnspython gives its largest: RFC 2308 §5.
        known = any(rrset.rdtype == dns.rdatatype.SOA for rrset in response.authority)
        return (ttl if known else 0.0), Answer(nxdomain=nxdomain)
    records: list[RecordData] = []
    for rdata in list(chain.answer)[:_MOST_RECORDS]:
        records.append(_record(rdata))
    return min(float(chain.minimum_ttl), _LONGEST_TTL), Answer(tuple(records))


def _record(rdata: dns.rdata.Rdata) -> RecordData:
    match rdata:
        case TXT():
            return b"".join(rdata.strings)
        case A() | AAAA():
            return str(rdata.address)
        case MX():
            return int(rdata.preference), _host(rdata.exchange)
        case PTR() | CNAME() | NS():
            return _host(rdata.target)
    raise dns.exception.FormError


def _host(name: dns.name.Name) -> str:
    # Not to_text(): its escapes are no bytes of the name. A label with a dot in it is none of ours.
    return b".".join(name.labels[:-1]).decode("utf-8", "surrogateescape")
