"""DNS blocklists: only a clear word refuses a client (RFC 5782)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from filters.guard.blocklists import Blocklists, Listing, query_name
from filters.guard.networks import address_of
from filters.mailauth.dns.resolver import StaticResolver

V4, V6 = "192.31.196.25", "2620:4f:8000::19"
NAME4 = "25.196.31.192.bl.test"
NAME6 = "9.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.f.4.0.0.0.2.6.2.bl.test"
CONTROL4 = "1.0.0.127.bl.test"
CONTROL6 = "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.test"


def find(
    zone: Mapping[str, object], address: str = V4, zones: tuple[str, ...] = ("bl.test",)
) -> Listing | None:
    return asyncio.run(Blocklists(zones, StaticResolver(zone)).find(address))


@pytest.mark.parametrize(
    ("address", "name"),
    [(V4, NAME4), (V6, NAME6), (f"::ffff:{V4}", NAME4), ("127.0.0.1", CONTROL4)],
)
def test_the_name_that_is_asked_for(address: str, name: str) -> None:
    parsed = address_of(address)
    assert parsed is not None
    assert query_name(parsed, "bl.test") == name


@pytest.mark.parametrize(("address", "name"), [(V4, NAME4), (V6, NAME6)])
def test_listed_with_its_reason(address: str, name: str) -> None:
    zone = {name: {"A": ["127.0.0.2"], "TXT": ["see http://bl.test/?\r\n250 ok\udcff"]}}
    assert find(zone, address) == Listing("bl.test", "see http://bl.test/??250 ok?")


@pytest.mark.parametrize(
    "zone",
    [
        {},
        {NAME4: "NODATA"},
        {NAME4: "SERVFAIL"},
        {NAME4: "TIMEOUT"},
        {NAME4: {"TXT": ["only words"]}},
        {NAME4: {"A": ["93.184.216.34"]}},  # a parked domain, or a resolver that lies
        {NAME4: {"A": ["127.255.255.254"]}},  # by a public resolver
        {NAME4: {"A": ["127.0.0.2", "127.255.255.255"]}},
        {NAME4: {"A": ["127.0.0.2"]}, CONTROL4: {"A": ["127.0.0.2"]}},
        {NAME4: {"A": ["127.0.0.2"]}, CONTROL4: "TIMEOUT"},
    ],
)
def test_no_listing(zone: dict[str, object]) -> None:
    assert find(zone) is None


def test_a_zone_that_lists_all_of_ipv6_lists_nobody() -> None:
    assert find({NAME6: {"A": ["127.0.0.2"]}, CONTROL6: {"A": ["127.0.0.2"]}}, V6) is None


@pytest.mark.parametrize("texts", ["TIMEOUT", []])
def test_a_listing_without_a_reason(texts: object) -> None:
    assert find({NAME4: {"A": ["127.0.0.4"], "TXT": texts}}) == Listing("bl.test", "")


def test_a_reason_is_cut() -> None:
    listing = find({NAME4: {"A": ["127.0.0.2"], "TXT": ["x" * 5000]}})
    assert listing is not None
    assert listing.reason == "x" * 200


def test_one_zone_that_fails_does_not_hide_another() -> None:
    zone = {NAME4: "TIMEOUT", "25.196.31.192.two.test": {"A": ["127.0.0.3"]}}
    assert find(zone, zones=("bl.test", "two.test")) == Listing("two.test", "")


def test_a_customers_key_is_not_told() -> None:
    key = "abcdefghij0123456789abcdef"
    zone = {f"25.196.31.192.{key}.zen.test": {"A": ["127.0.0.2"]}}
    assert find(zone, zones=(f"{key}.zen.test",)) == Listing("zen.test", "")


@pytest.mark.parametrize(
    "address",
    [
        *("10.1.2.3", "172.18.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "fd00::1"),
        *("fe80::1", "::1", "224.0.0.1", "0.0.0.0", "", "x"),
    ],
)
def test_an_address_that_is_not_public_is_never_asked_for(address: str) -> None:
    resolver = StaticResolver({})
    assert asyncio.run(Blocklists(["bl.test"], resolver).find(address)) is None
    assert resolver.asked == []


def test_a_zone_that_keeps_failing_is_left_alone_for_a_while() -> None:
    now = 0.0
    resolver = StaticResolver({NAME4: "TIMEOUT", "26.196.31.192.bl.test": {"A": ["127.0.0.2"]}})
    lists = Blocklists(["bl.test"], resolver, clock=lambda: now)

    async def scene() -> None:
        nonlocal now
        for _ in range(10):
            assert await lists.find(V4) is None
        assert len(resolver.asked) == 3
        assert await lists.find("192.31.196.26") is None
        now = 61.0
        assert await lists.find("192.31.196.26")

    asyncio.run(scene())
