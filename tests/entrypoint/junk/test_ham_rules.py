"""How much is learned as ham that nobody has called so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from entrypoint.junk.ham_rules import Learned, may_teach, room, sender_domain

SOME = Learned(spam=100)


def may(learned: Learned, source: str = "read", **how: object) -> bool:
    return may_teach(source, learned, **{"authenticated": True, "domain": "a.example", **how})  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["read", "marked"])
def test_by_itself_it_is_little_and_authenticated(source: str) -> None:
    assert may(SOME, source)
    assert not may(SOME, source, authenticated=False)
    assert not may(SOME, source, domain="")
    assert not may(Learned(), source)
    assert may(Learned(spam=1, by_itself=2), source)
    assert not may(Learned(spam=1, by_itself=3), source)
    assert not may(replace(SOME, of_domain=5), source)
    assert not may(replace(SOME, today=50), source)


@pytest.mark.parametrize("source", ["answered", "filed"])
def test_by_hand_it_counts_at_once_up_to_what_nobody_does_in_a_day(source: str) -> None:
    assert may(Learned(by_itself=9, of_domain=9, today=99), source, authenticated=False, domain="")
    assert not may(Learned(by_hand_today=500), source)


@pytest.mark.parametrize("source", ["moved", "flagged", "trained"])
def test_what_somebody_has_called_ham_is(source: str) -> None:
    assert may(Learned(by_hand_today=10_000, today=10_000), source, authenticated=False, domain="")


def test_how_many_more_there_may_be_today() -> None:
    assert room(Learned(spam=100, by_itself=10, today=10)) == 40
    assert room(Learned(spam=2, by_itself=5)) == 1
    assert (
        room(Learned()) == room(Learned(spam=1, by_itself=30)) == room(replace(SOME, today=60)) == 0
    )


def test_five_thousand_read_newsletters_teach_what_the_limits_allow() -> None:
    """Of a hundred domains with as many names as they like, on three days, with 60 spams."""
    learned, of_domain, taught = Learned(spam=60), dict[str, int](), list[int]()
    for day in range(3):
        learned = replace(learned, today=0)
        for number in range(5000):
            domain = sender_domain(f"n{number}.day{day}.list{number % 100}.example")
            one = replace(learned, of_domain=of_domain.get(domain, 0))
            if may(one, domain=domain):
                of_domain[domain] = one.of_domain + 1
                learned = replace(learned, by_itself=learned.by_itself + 1, today=learned.today + 1)
        taught.append(learned.today)
    assert taught == [50, 50, 50]
    assert max(of_domain.values()) <= 5


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("news.Shop.Example", "shop.example"),
        ("a.b.c.shop.example", "shop.example"),
        ("shop.example", "shop.example"),
        ("mail.shop.co.uk", "shop.co.uk"),
        ("shop.de", "shop.de"),
        ("news.shop.de", "shop.de"),
        ("mail.shop.com.br", "shop.com.br"),
        # Short, and somebody's own all the same.
        ("n1.ab.de", "ab.de"),
        ("n1.abc.io", "abc.io"),
        ("n1.t.co", "t.co"),
        ("localhost", "localhost"),
        ("", ""),
    ],
)
def test_who_has_a_domain(name: str, domain: str) -> None:
    assert sender_domain(name) == domain
