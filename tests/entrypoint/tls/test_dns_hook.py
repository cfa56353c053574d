"""Whether every name server has a record yet: each case has what the servers say."""

from __future__ import annotations

import asyncio

import pytest

from entrypoint.probe.authoritative import TxtReply
from entrypoint.tls.dns_hook import lacking
from filters.mailauth.dns.resolver import StaticResolver

NAME = "_acme-challenge.mail.example.org"
ZONE = {
    "example.org": {"NS": ["ns1.example.org", "ns2.example.org"]},
    "ns1.example.org": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
    "ns2.example.org": {"A": ["192.0.2.2"]},
    "elsewhere.test": {"NS": ["ns.elsewhere.test"]},
    "ns.elsewhere.test": {"A": ["192.0.2.3"]},
}
HAS, OLD, NONE = TxtReply((b"older", b"value")), TxtReply((b"older",)), TxtReply()
DEAD = TxtReply(trouble="no answer")

CASES = [
    ("all have it", {1: HAS, 2: HAS}, ""),
    ("one address is out of reach", {1: HAS, 6: DEAD, 2: HAS}, ""),
    ("one has only the last one's", {1: HAS, 2: OLD}, "ns2.example.org does not have"),
    ("one has nothing", {1: NONE, 2: HAS}, "ns1.example.org does not have"),
    ("one address of a server is behind", {1: HAS, 6: NONE, 2: HAS}, "ns1.example.org does not"),
    ("one is dead", {1: HAS, 2: DEAD}, "ns2.example.org cannot be asked"),
    (
        "an alias is followed",
        {1: TxtReply(alias="x.elsewhere.test"), 2: TxtReply(alias="x.elsewhere.test"), 3: HAS},
        "",
    ),
    (
        "and what it leads to counts",
        {1: TxtReply(alias="x.elsewhere.test"), 2: TxtReply(alias="x.elsewhere.test"), 3: NONE},
        "ns.elsewhere.test does not have x.elsewhere.test",
    ),
    (
        "a zone of its own below",
        {1: TxtReply(referral=("ns.elsewhere.test",)), 2: HAS, 3: HAS},
        "",
    ),
    (
        "an alias into a zone that is not there",
        {1: TxtReply(alias="x.nowhere.test"), 2: HAS},
        "no name server of x.nowhere.test is known",
    ),
    ("an alias of itself", {1: TxtReply(alias=NAME), 2: HAS}, "alias loop"),
]


@pytest.mark.parametrize(("says", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_is_lacking(says: dict[int, TxtReply], expected: str) -> None:
    places = {"192.0.2.1": 1, "2001:db8::1": 6, "192.0.2.2": 2, "192.0.2.3": 3}

    async def ask(address: str, name: str) -> TxtReply:
        return says.get(places[address], HAS)

    found = asyncio.run(lacking(NAME, b"value", StaticResolver(ZONE), ask))
    assert expected in found
    assert bool(found) == bool(expected)
