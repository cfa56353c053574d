"""The field X-Signpost-Facts: closed words and names, whatever they were made from."""

from __future__ import annotations

import random
from typing import Any

import pytest

from filters.facts import LONGEST, ArrivalFacts, parse_facts

UNKNOWN = "dmarc=unknown dkim=unknown spf=unknown rdns=unknown helo=unknown"
WHOLE = ArrivalFacts(
    "pass", "other", "fail", "generic", "lies", ("zen.example", "bl.example"), "far.example"
)
LONG = ".".join(["a" * 63] * 3 + ["b" * 61])


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        (ArrivalFacts(), UNKNOWN),
        (
            WHOLE,
            "dmarc=pass dkim=other spf=fail rdns=generic helo=lies dnsbl=zen.example,bl.example "
            "author=far.example",
        ),
        (ArrivalFacts(author="FAR.example"), f"{UNKNOWN} author=far.example"),
        # What is no domain name in A-labels is left out, whole.
        (ArrivalFacts(author="bücher.example"), UNKNOWN),
        (ArrivalFacts(author="far.example dmarc=pass"), UNKNOWN),
        (ArrivalFacts(author="far.example\r\nX-Spam: no"), UNKNOWN),
        (ArrivalFacts(author="_dmarc.far.example"), UNKNOWN),
        (ArrivalFacts(author="far..example"), UNKNOWN),
        (ArrivalFacts(dnsbl=("bl.example,x", "bl.example")), f"{UNKNOWN} dnsbl=bl.example"),
    ],
)
def test_the_value(facts: ArrivalFacts, value: str) -> None:
    assert facts.value() == value
    assert facts.field() == f"X-Signpost-Facts: {value}\r\n".encode()


def test_the_longest_names_leave_room_for_a_listing() -> None:
    facts = ArrivalFacts(
        *("permerror", "permerror", "temperror", "missing", "literal"),
        (LONG, "bl.example", *(f"{number}.{'x' * 60}.example" for number in range(9))),
        LONG,
    )
    assert len(facts.value()) < LONGEST
    read = parse_facts(facts.value())
    assert read is not None
    assert read.author == LONG
    assert (read.dnsbl[0], len(read.dnsbl)) == ("bl.example", 2)


@pytest.mark.parametrize(
    ("value", "facts"),
    [
        ("", None),
        (" \t", None),
        (WHOLE.value(), WHOLE),
        (f" {WHOLE.value()}\r\n", WHOLE),
        ("dmarc=pass", ArrivalFacts(dmarc="pass")),
        ("x", ArrivalFacts()),
        # Another version's: the rest still counts.
        ("dmarc=maybe dkim=pass colour=blue", ArrivalFacts(dkim="pass")),
        ("dmarc=fail dmarc=pass", ArrivalFacts(dmarc="fail")),
        ("author=bücher.example dnsbl=,_,bl.example", ArrivalFacts(dnsbl=("bl.example",))),
    ],
)
def test_what_a_value_says(value: str, facts: ArrivalFacts | None) -> None:
    assert parse_facts(value) == facts


PIECES = [
    *("far.example", "bl.test", LONG, "x" * 300, "a.b", "", ".", "pass", "author=", "dmarc=pass"),
    *("\r\n", "\n", "\r", "\0", "\t", " ", ",", "=", ";", "\x85", "\u2028", "é", "\udc80", "\x1b"),
]


@pytest.mark.parametrize("seed", range(200))
def test_whatever_it_is_made_from_it_is_one_short_printable_line_that_parses_back(
    seed: int,
) -> None:
    draw = random.Random(seed)

    def text() -> str:
        return "".join(draw.choice(PIECES) for _ in range(draw.randrange(6)))

    words: dict[str, Any] = {"author": text(), "dnsbl": tuple(text() for _ in range(4))}
    value = ArrivalFacts(**words).value()
    assert len(value) < LONGEST
    assert value.isascii()
    assert value.isprintable()
    read = parse_facts(value)
    assert read is not None
    assert read.value() == value
    assert parse_facts(text() + value + text()) is not None
