"""Whether every name server has a record yet: each case has what the servers say."""

from __future__ import annotations

import asyncio

import pytest

from entrypoint.probe.authoritative import Reply
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
HAS, OLD, NONE = Reply((b"older", b"value")), Reply((b"older",)), Reply()
DEAD = Reply(trouble="no answer")

CASES = [
    ("all have it", {1: HAS, 2: HAS}, ""),
    ("one address is out of reach", {1: HAS, 6: DEAD, 2: HAS}, ""),
    ("one has only the last one's", {1: HAS, 2: OLD}, "ns2.example.org does not have"),
    ("one has nothing", {1: NONE, 2: HAS}, "ns1.example.org does not have"),
    ("one address of a server is behind", {1: HAS, 6: NONE, 2: HAS}, "ns1.example.org does not"),
    ("one is dead", {1: HAS, 2: DEAD}, "ns2.example.org cannot be asked"),
    (
        "an alias is followed",
        {1: Reply(alias="x.elsewhere.test"), 2: Reply(alias="x.elsewhere.test"), 3: HAS},
        "",
    ),
    (
        "and what it leads to counts",
        {1: Reply(alias="x.elsewhere.test"), 2: Reply(alias="x.elsewhere.test"), 3: NONE},
        "ns.elsewhere.test does not have x.elsewhere.test",
    ),
    (
        "a zone of its own below",
        {1: Reply(referral=("ns.elsewhere.test",)), 2: HAS, 3: HAS},
        "",
    ),
    (
        "an alias into a zone that is not there",
        {1: Reply(alias="x.nowhere.test"), 2: HAS},
        "no name server of x.nowhere.test is known",
    ),
    ("an alias of itself", {1: Reply(alias=NAME), 2: HAS}, "leads on to other names for ever"),
]


@pytest.mark.parametrize(("says", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_is_lacking(says: dict[int, Reply], expected: str) -> None:
    places = {"192.0.2.1": 1, "2001:db8::1": 6, "192.0.2.2": 2, "192.0.2.3": 3}

    async def ask(address: str, name: str) -> Reply:
        return says.get(places[address], HAS)

    found = asyncio.run(lacking(NAME, b"value", StaticResolver(ZONE), ask))
    assert expected in found
    assert bool(found) == bool(expected)
