"""The test target's name server, asked over real sockets by two resolvers."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import ParamSpec

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.test_target.zone_server import ZoneServer
from filters.mailauth.dns.client import DnsResolver
from filters.mailauth.dns.types import DnsTemporaryError
from filters.mailauth.dns.zone import StaticResolver, Zone

P = ParamSpec("P")
HERE = "127.0.0.1"
NAMES = {
    "example.org": {"TXT": ["v=spf1 -all", ["two ", "parts"]], "MX": [[10, "mail.example.org"]]},
    "mail.example.org": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
    "www.example.org": {"CNAME": "mail.example.org"},
    "away.example": {"CNAME": "nowhere.example"},
    "null.example": {"MX": [[0, "."]]},
    "long.example": {"TXT": ["x" * 3_000]},
    "empty.example": "NODATA",
    "broken.example": "SERVFAIL",
    "silent.example": "TIMEOUT",
    "half.example": {"A": ["192.0.2.2"], "TXT": "TIMEOUT", "MX": "SERVFAIL"},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mail.example.org"], "NS": ["ns.example"]},
    "a.loop.example": {"CNAME": "b.loop.example"},
    "b.loop.example": {"CNAME": "a.loop.example"},
    "raw.example": {"TXT": ["\udcff\udc80", ""]},
    "odd_name.example": {"TXT": ["underscore"]},
}
ASKED = [
    (name, rdtype)
    for name in [*NAMES, "EXAMPLE.org.", "no.example", "no.mail.example.org"]
    for rdtype in ("TXT", "A", "AAAA", "MX", "PTR", "NS", "CNAME")
]


def in_a_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*arguments, **named))

    return run


@asynccontextmanager
async def served(zone: Zone | None = None) -> AsyncIterator[int]:
    server = ZoneServer(lambda: zone or Zone(NAMES))
    port = await server.start(HERE, 0)
    try:
        yield port
    finally:
        server.close()


async def outcome(resolver: DnsResolver | StaticResolver, name: str, rdtype: str) -> object:
    try:
        return await resolver.query(name, rdtype)
    except DnsTemporaryError:
        return "temporary"


@in_a_loop
async def test_it_answers_as_the_zone_does() -> None:
    async with served() as port:
        resolver = DnsResolver([HERE], port=port, timeout=0.4, attempt_seconds=0.1)
        for name, rdtype in ASKED:
            expected = await outcome(StaticResolver(NAMES), name, rdtype)
            assert await outcome(resolver, name, rdtype) == expected, (name, rdtype)
        await resolver.close()


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode", "answers"),
    [
        ("www.example.org", "A", "NOERROR", ["CNAME mail.example.org.", "A 192.0.2.1"]),
        ("away.example", "A", "NXDOMAIN", ["CNAME nowhere.example."]),
        ("www.example.org", "CNAME", "NOERROR", ["CNAME mail.example.org."]),
        ("null.example", "MX", "NOERROR", ["MX 0 ."]),
        ("example.org", "SOA", "NOERROR", []),
        ("broken.example", "A", "SERVFAIL", []),
        ("a.loop.example", "A", "SERVFAIL", []),
    ],
)
@in_a_loop
async def test_aliases_are_shown(name: str, rdtype: str, rcode: str, answers: list[str]) -> None:
    async with served() as port:
        query = dns.message.make_query(name, rdtype)
        reply = await dns.asyncquery.udp(query, HERE, port=port, timeout=5)
    found = [" ".join(line.split(" ")[3:]) for rrset in reply.answer for line in [str(rrset)]]
    assert (dns.rcode.to_text(reply.rcode()), found) == (rcode, answers)
    assert all(rrset.ttl == 0 for rrset in reply.answer)


@in_a_loop
async def test_what_is_too_long_is_asked_again_over_tcp() -> None:
    query = dns.message.make_query("long.example", "TXT", use_edns=False)
    async with served() as port:
        cut = await dns.asyncquery.udp(query, HERE, port=port, timeout=5)
        whole = await dns.asyncquery.tcp(query, HERE, port=port, timeout=5)
    assert (bool(cut.flags & dns.flags.TC), cut.answer) == (True, [])
    assert sum(len(part) for part in whole.answer[0][0].strings) == 3_000


@in_a_loop
async def test_a_time_out_is_silence_and_keeps_no_other_question_waiting() -> None:
    async with served() as port:
        silent = asyncio.create_task(
            dns.asyncquery.udp(
                dns.message.make_query("silent.example", "A"), HERE, port=port, timeout=0.3
            )
        )
        query = dns.message.make_query("mail.example.org", "A")
        assert (await dns.asyncquery.udp(query, HERE, port=port, timeout=5)).answer
        with pytest.raises(dns.exception.Timeout):
            await silent


@in_a_loop
async def test_another_zone_counts_from_the_next_question_on() -> None:
    zones = [Zone({"a.example": {"A": ["192.0.2.1"]}}), Zone({})]
    server = ZoneServer(lambda: zones[0])
    port = await server.start(HERE, 0)
    query = dns.message.make_query("a.example", "A")
    assert (await dns.asyncquery.udp(query, HERE, port=port, timeout=5)).answer
    zones.pop(0)
    again = await dns.asyncquery.udp(query, HERE, port=port, timeout=5)
    assert again.rcode() == dns.rcode.NXDOMAIN
    server.close()


@given(st.binary(max_size=64) | st.binary(min_size=12, max_size=600))
def test_no_bytes_do_it_harm(question: bytes) -> None:
    ZoneServer(lambda: Zone(NAMES))._reply(question, 512)


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3), st.integers(0, 65_535))
def test_no_name_or_type_does_it_harm(labels: list[bytes], rdtype: int) -> None:
    query = dns.message.make_query(dns.name.Name((*labels, b"")), rdtype)
    ZoneServer(lambda: Zone(NAMES))._reply(query.to_wire(), 512)
