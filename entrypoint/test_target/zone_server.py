"""The name server of the test target: it answers from zones that tests give, and nothing else.

In come questions over UDP and TCP; out go the records of `zone_of`, with the aliases on the way
(RFC 1034 §3.6.2) and a TTL of 0, for the next question may have another zone. A name that fails
with SERVFAIL gets that; one that fails with TIMEOUT gets nothing. It asks no one: a name without
an entry is NXDOMAIN.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from filters.mailauth.dns.types import RecordData
from filters.mailauth.dns.zone import MOST_ALIASES, Zone

log = logging.getLogger(__name__)

_LARGEST_DATAGRAM = 4_096
_PLAIN_DATAGRAM = 512  # where the client says nothing of EDNS (RFC 1035 §4.2.1)
_LONGEST_STRING = 255  # of a TXT record's character-strings (RFC 1035 §3.3)
_IDLE = 10.0  # seconds, of a TCP connection
_MOST_CONNECTIONS = 100


class ZoneServer:
    """Answers at one address. zone_of: the zone to answer from now.

    silent: whether a name that fails with TIMEOUT gets no answer; else it gets SERVFAIL at once.
    smtpd greets nobody before it knows the client's name.
    """

    def __init__(self, zone_of: Callable[[], Zone], *, silent: bool = True) -> None:
        self._zone_of = zone_of
        self._silent = silent
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._connections = 0

    async def start(self, address: str, port: int = 53) -> int:
        """Listen, over UDP and TCP; the port. Raises OSError where that is not possible."""
        self._server = await asyncio.start_server(self._serve, address, port)
        port = self._server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._reply), local_addr=(address, port)
        )
        return port

    def close(self) -> None:
        """Answer nothing more."""
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()

    def _reply(self, question: bytes, largest: int | None) -> bytes | None:
        """The reply's bytes; None for silence. largest: what a datagram without EDNS may take."""
        try:
            query = dns.message.from_wire(question)
            if query.flags & dns.flags.QR or len(query.question) != 1:
                return None
        except (dns.exception.DNSException, ValueError):
            return None
        response = answer(query, self._zone_of())
        if response is None and self._silent:
            return None
        if response is None:
            response = dns.message.make_response(query, recursion_available=True)
            response.set_rcode(dns.rcode.SERVFAIL)
        room = max(query.payload, largest) if largest is not None else 0xFFFF
        try:
            return response.to_wire(max_size=min(room, 0xFFFF))
        except dns.exception.TooBig:
            response.flags |= dns.flags.TC
            response.answer.clear()
            return response.to_wire()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._connections += 1
            if self._connections > _MOST_CONNECTIONS:
                return
            async with asyncio.timeout(_IDLE) as idle:
                while True:
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    reply = self._reply(await reader.readexactly(size), None)
                    if reply is not None:
                        writer.write(len(reply).to_bytes(2, "big") + reply)
                        await writer.drain()
                    idle.reschedule(asyncio.get_running_loop().time() + _IDLE)
        except (EOFError, OSError, TimeoutError):
            pass
        finally:
            self._connections -= 1
            writer.close()


def answer(query: dns.message.Message, zone: Zone) -> dns.message.Message | None:
    """What a zone says to a question; None where it says nothing, which times out."""
    question = query.question[0]
    rdtype = dns.rdatatype.to_text(question.rdtype)
    response = dns.message.make_response(query, recursion_available=True, our_payload=1232)
    response.flags |= dns.flags.AA
    at = question.name
    for _ in range(MOST_ALIASES):
        found = zone.find(_plain(at), rdtype)
        if found.failure == "TIMEOUT":
            return None
        if found.failure is not None:
            break
        if found.alias is None:
            if not found.exists:
                response.set_rcode(dns.rcode.NXDOMAIN)
            elif found.records:
                response.answer += _in_order(at, question.rdtype, found.records)
            return response
        response.answer += _in_order(at, dns.rdatatype.CNAME, (found.alias,))
        at = _name(found.alias)
    response.answer.clear()
    response.set_rcode(dns.rcode.SERVFAIL)
    return response


def _plain(name: dns.name.Name) -> str:
    """A name as zones have it: no escapes, raw bytes as surrogates."""
    return b".".join(name.labels).decode("utf-8", "surrogateescape")


def _name(name: str) -> dns.name.Name:
    parts = name.removesuffix(".").encode("utf-8", "surrogateescape").split(b".")
    return dns.name.Name((*(part for part in parts if part), b""))


def _wire(name: str) -> bytes:
    parts = _name(name).labels
    return b"".join(bytes([len(part)]) + part for part in parts)


def _in_order(
    owner: dns.name.Name, rdtype: dns.rdatatype.RdataType, records: tuple[RecordData, ...]
) -> list[dns.rrset.RRset]:
    """One set a record: dnspython shuffles what stands in one."""
    return [dns.rrset.from_rdata(owner, 0, _rdata(rdtype, record)) for record in records]


def _rdata(rdtype: dns.rdatatype.RdataType, record: RecordData) -> dns.rdata.Rdata:
    if isinstance(record, bytes):
        parts = [record[at : at + _LONGEST_STRING] for at in range(0, len(record), _LONGEST_STRING)]
        wire = b"".join(bytes([len(part)]) + part for part in parts or [b""])
    elif isinstance(record, tuple):
        wire = record[0].to_bytes(2, "big") + _wire(record[1])
    elif rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
        return dns.rdata.from_text(dns.rdataclass.IN, rdtype, record)
    else:
        wire = _wire(record)
    return dns.rdata.from_wire(dns.rdataclass.IN, rdtype, wire, 0, len(wire))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, reply: Callable[[bytes, int | None], bytes | None]) -> None:
        self._reply = reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        reply = self._reply(data[:_LARGEST_DATAGRAM], _PLAIN_DATAGRAM)
        if reply is not None:
            self._transport.sendto(reply, address)
