"""Where mail for an address ends, as smtpd's tables would have it."""

from __future__ import annotations

import pytest

from entrypoint.config.environ import load
from entrypoint.config.expansion import Expansion, expand
from entrypoint.config.routes import Routes, routes_of
from entrypoint.config.settings import HostFacts

ROUTES = Routes(
    domains={"example.org", "example.net"},
    accounts={"alice@example.org", "bob@example.net"},
    aliases={
        "info@example.org": ("alice@example.org", "team@example.net"),
        "team@example.net": ("bob+team@example.net", "carol@elsewhere.example"),
        "news+daily@example.org": ("bob@example.net",),
        "@example.net": ("bob@example.net",),
        "loop@example.org": ("loop@example.org", "alice@example.org"),
    },
    delimiter="+",
)


def expanded(routes: Routes, address: str) -> Expansion:
    """What becomes of mail for an address, ours or not."""
    entry = routes.entry(address) if routes.is_ours(address) else None
    return Expansion((), frozenset(), leaves=False) if entry is None else expand(routes, entry)


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("alice@example.org", "alice@example.org"),
        ("alice+a+b@example.org", "alice@example.org"),
        ("info+x@example.org", "info@example.org"),
        ("news+daily@example.org", "news+daily@example.org"),
        ("news@example.org", None),
        ("anybody@example.net", "@example.net"),
        ("anybody@example.org", None),
    ],
)
def test_the_entry_that_takes_the_mail(address: str, entry: str | None) -> None:
    assert ROUTES.entry(address) == entry


@pytest.mark.parametrize(
    ("address", "accounts"),
    [
        ("info@example.org", {"alice@example.org", "bob@example.net"}),
        ("alice+x@example.org", {"alice@example.org"}),
        ("loop@example.org", {"alice@example.org"}),
        ("carol@elsewhere.example", set()),
    ],
)
def test_the_accounts_behind_an_address(address: str, accounts: set[str]) -> None:
    assert expanded(ROUTES, address).owners == accounts


def test_which_mail_leaves() -> None:
    assert expanded(ROUTES, "info@example.org").leaves
    assert not expanded(ROUTES, "alice@example.org").leaves
    assert not expanded(ROUTES, "anybody@example.net").leaves


def test_loops_are_found_and_crossings_are_none() -> None:
    assert ROUTES.loops() == [("loop@example.org",)]
    diamond = {
        "a@x.org": ("b@x.org", "c@x.org"),
        "b@x.org": ("d@x.org",),
        "c@x.org": ("d@x.org",),
        "d@x.org": ("e@y.org",),
    }
    assert Routes({"x.org"}, (), diamond, "+").loops() == []


def test_a_chain_of_ten_thousand_aliases_is_walked() -> None:
    chain = {f"a{number}@x.org": (f"a{number + 1}@x.org",) for number in range(10_000)}
    routes = Routes({"x.org"}, {"a10000@x.org"}, chain, "+")
    assert expanded(routes, "a0@x.org").owners == {"a10000@x.org"}
    assert routes.loops() == []


def test_the_roles_are_part_of_a_configuration_s_routes() -> None:
    environ = {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:wonderland"}
    routes = routes_of(load(environ, host=HostFacts(ipv6=False)))
    assert expanded(routes, "abuse@example.org").owners == {"alice@example.org"}


def test_the_whole_address_comes_before_the_one_without_its_tag() -> None:
    aliases = {"news@x.org": ("a@y.org",), "news+daily@x.org": ("b@y.org",)}
    routes = Routes({"x.org"}, (), aliases, "+")
    assert routes.entry("news+daily@x.org") == "news+daily@x.org"
    assert routes.entry("news+weekly@x.org") == "news@x.org"
