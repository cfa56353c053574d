"""Small authoritative servers on loopback addresses, and the resolver before them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

RESOLVER = "127.0.0.53"
SERVERS = {"ns1.example.net": "127.0.0.61", "ns2.example.net": "127.0.0.62"}
ZONE = "example.org"


class AuthorityServer:
    """Serves the lines that are published, as a zone file has them; the rest does not exist.

    manner: "good"; "refused", "lame" (no word of the zone), "silent"; "refers" (to ns2).
    """

    def __init__(self, address: str, port: int) -> None:
        self.manner = "good"
        self.asked: list[str] = []
        self._records: list[dns.rrset.RRset] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def publish(self, *lines: str) -> None:
        """Serve these records and no others."""
        found = []
        for line in lines:
            name, _in, rdtype, value = line.split(" ", 3)
            found.append(dns.rrset.from_text(name, 1, "IN", rdtype, value))
        self._records = found

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(4096)
            if not wire:
                return
            question = dns.message.from_wire(wire)
            self.asked.append(question.question[0].to_text())
            if self.manner != "silent":
                self._socket.sendto(self._answer(question).to_wire(), client)

    def _answer(self, question: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(question)
        if self.manner == "refused":
            reply.set_rcode(dns.rcode.REFUSED)
            return reply
        if self.manner == "lame":
            return reply
        if self.manner == "refers":
            reply.authority.append(
                dns.rrset.from_text(f"{ZONE}.", 1, "IN", "NS", "ns2.example.net.")
            )
            return reply
        reply.flags |= dns.flags.AA
        asked, names = question.question[0], {record.name for record in self._records}
        at = asked.name
        for record in self._records:
            if record.name == at and record.rdtype in (asked.rdtype, dns.rdatatype.CNAME):
                _add(reply.answer, record)
                if record.rdtype == dns.rdatatype.CNAME:
                    at = record[0].target
        if asked.name not in names:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply


def _add(section: list[dns.rrset.RRset], record: dns.rrset.RRset) -> None:
    for each in section:
        if (each.name, each.rdtype) == (record.name, record.rdtype):
            each.update(record)  # type: ignore[no-untyped-call]
            return
    section.append(record.copy())  # type: ignore[no-untyped-call]


@contextmanager
def serving() -> Iterator[dict[str, AuthorityServer]]:
    """The servers by name, all on one port; "resolver" leads to them."""
    with ExitStack() as stack:

        def start(address: str, port: int = 0) -> AuthorityServer:
            server = AuthorityServer(address, port)
            stack.callback(server.close)
            return server

        resolver = start(RESOLVER)
        resolver.publish(
            *(f"{ZONE}. IN NS {name}." for name in SERVERS),
            *(f"{name}. IN A {address}" for name, address in SERVERS.items()),
        )
        found = {name: start(address, resolver.port) for name, address in SERVERS.items()}
        yield {"resolver": resolver, **found}
