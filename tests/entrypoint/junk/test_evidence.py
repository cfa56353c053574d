"""What speaks for or against a message besides its words."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from entrypoint.junk.evidence import (
    WEIGHTS,
    Evidence,
    Known,
    Marks,
    evidence,
    marks_of,
    passes_dmarc,
    weighed,
)
from filters.facts import ArrivalFacts

GOOD = ArrivalFacts("pass", "pass", "pass", "ok", "ok", (), "example.net")
MARKS = Marks("a@example.net", "example.net", ("a@example.net",))
KNOWN = Known(own_address=False, first_contact=False)


def reasons(facts: ArrivalFacts = GOOD, marks: Marks = MARKS, known: Known = KNOWN) -> list[str]:
    return [each.reason for each in evidence(facts, marks, known)]


def test_a_known_author_who_authenticates_speaks_for_it() -> None:
    assert evidence(GOOD, MARKS, KNOWN) == [Evidence(-1.0, "known author")]


def test_of_what_nobody_could_tell_nothing_is_evidence() -> None:
    assert reasons(ArrivalFacts()) == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"rdns": "missing"}, ["missing reverse name"]),
        ({"rdns": "generic"}, ["generic reverse name"]),
        ({"helo": "lies"}, ["HELO lies"]),
        ({"helo": "literal"}, ["HELO is an address"]),
        ({"spf": "fail"}, ["SPF fail"]),
        ({"spf": "softfail"}, []),
        ({"dmarc": "none"}, []),
        ({"dmarc": "fail", "dkim": "other"}, []),
        ({"dmarc": "none", "dkim": "none"}, ["no DMARC, no DKIM"]),
        ({"dmarc": "fail", "dkim": "fail"}, ["no DMARC, no DKIM"]),
        ({"dmarc": "none", "dkim": "none", "spf": "none"}, ["no DMARC, no DKIM, no SPF"]),
        ({"dmarc": "none", "dkim": "neutral", "spf": "none"}, ["no DMARC, no DKIM, no SPF"]),
        ({"dmarc": "none", "dkim": "temperror"}, []),
        ({"dmarc": "temperror", "dkim": "none"}, []),
        ({"dnsbl": ("a.example", "b.example")}, ["listed by a.example", "listed by b.example"]),
    ],
)  # fmt: skip
def test_what_the_server_knows(facts: dict[str, object], expected: list[str]) -> None:
    found = reasons(replace(GOOD, **facts))  # type: ignore[arg-type]
    assert [each for each in found if each != "known author"] == expected


def test_lists_that_agree_count_less_each_and_three_at_most() -> None:
    found = evidence(replace(GOOD, dnsbl=tuple(f"{n}.example" for n in range(9))), MARKS, KNOWN)
    assert [each.weight for each in found if each.weight > 0] == [2.5, 0.5, 0.5]


def test_a_forger_of_the_accounts_own_address_gains_nothing() -> None:
    own = Known(own_address=True, first_contact=False)
    for facts in (replace(GOOD, dmarc="fail"), replace(GOOD, dmarc="none", dkim="pass")):
        assert reasons(facts, known=own) == ["own address without DMARC"]
    assert reasons(known=own) == []


def test_an_author_whose_domain_does_not_stand_for_it_is_not_known() -> None:
    unsigned = replace(GOOD, dmarc="none", dkim="other")
    assert reasons(unsigned) == []
    assert reasons(replace(GOOD, dkim="none", author="example.com")) == []


def test_dmarc_counts_for_the_author_that_readers_see() -> None:
    assert passes_dmarc(GOOD, MARKS)
    assert not passes_dmarc(replace(GOOD, author="example.com"), MARKS)
    assert not passes_dmarc(replace(GOOD, author=""), Marks())
    assert not passes_dmarc(replace(GOOD, dmarc="none"), MARKS)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"From: A <A@Example.NET>", Marks("a@example.net", "example.net", ("a@example.net",))),
        (b"From: a@example.net\nFrom: b@example.net", Marks()),
        (b"From: a@example.net, b@example.net", Marks(authors=("a@example.net", "b@example.net"))),
        (b"From: a@example.net, b@example.com", Marks(authors=("a@example.net", "b@example.com"))),
        (b"From: a@[192.0.2.1]", Marks(authors=("a@[]",))),
        (b"From: a\xff@example.net", Marks(authors=("example.net",))),
        ("From: \u212a@example.net".encode(), Marks(authors=("example.net",))),
        (b"From: " + b"a" * 310 + b"@example.net", Marks(authors=("example.net",))),
        (
            b"From: a@example.net, b\xff@example.net",
            Marks(authors=("a@example.net", "example.net")),
        ),
        (b"From: a@example.net," + b" " * 70_000 + b"b@example.net", Marks(authors=())),
        (
            b"X: " + b"x" * 65_513 + b"\nFrom: a@example.net, b@example.net",
            Marks(authors=("a@example.net",)),
        ),
        (b"Subject: none", Marks()),
        (b"List-Id: <a.example>\nPrecedence: bulk", Marks()),
        (b"Auto-Submitted: auto-replied\nPrecedence: bulk", Marks()),
        (b"Feedback-ID: 1:2:x", Marks(bulk=True)),
        (b"Precedence: bulk", Marks(bulk=True)),
        (b"Precedence: first-class", Marks()),
        (b"Precedence: bulk\nList-Unsubscribe: <x:>", Marks(bulk=True, unsubscribe=True)),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_header(header: bytes, expected: Marks, end: bytes) -> None:
    message = header + b"\n\nPrecedence: bulk\nFrom: c@example.org\n"
    assert marks_of(message.replace(b"\n", end)) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b'Content-Disposition: attachment; filename="invoice.pdf.exe"', True),
        (b'Content-Type: application/octet-stream;\n name="x.JS"', True),
        (b"Content-Type: application/zip; name=x.docm; charset=x", True),
        (b"Content-Disposition: attachment; filename*=utf-8''x%20y.scr", True),
        (b'Content-Disposition: attachment; filename="invoice.pdf"', False),
        (b'Content-Disposition: attachment; filename="jar.exe.txt"', False),
        (b"see name=x.exe", False),
    ],
)
def test_files_that_run(field: bytes, expected: bool) -> None:
    message = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + field + b"\n\nAAAA\n--b--\n"
    assert marks_of(message).program is expected
    assert marks_of(message.replace(b"\n", b"\r\n")).program is expected


def test_bulk_without_a_way_out_and_programs_are_evidence() -> None:
    marks = replace(MARKS, bulk=True, program=True)
    assert reasons(marks=marks)[1:] == ["bulk without unsubscribe", "executable attachment"]
    assert reasons(marks=replace(marks, unsubscribe=True))[1:] == ["executable attachment"]


def test_reasons_are_closed_words() -> None:
    assert weighed([*WEIGHTS, "listed by x.example", "made up", ""]) == [
        *(Evidence(weight, reason) for reason, weight in WEIGHTS.items()),
        Evidence(2.5, "listed by x.example"),
    ]
    # Their separators in the field and in its reading (explanation.py).
    assert not any(char in reason for reason in WEIGHTS for char in ";()")


@pytest.mark.parametrize(
    "message",
    [
        b"Content-Type: " + b"name=" * 26_000,
        b"Content-Type: x;\n" + b" name=a;\n" * 14_000,
        b"Content-Type:\n" * 9_000,
        b"From: " + b"a@example.net, " * 8_000,
        b"From: " + b"(" * 120_000,
        b"\n" * 130_000,
        b"name=" + b'"' * 120_000,
        b"Content-Disposition: " + b"name=\"" * 20_000 + b".exe",
    ],
    ids=lambda message: repr(message[:25]),
)  # fmt: skip
def test_a_hostile_header_takes_no_time(message: bytes) -> None:
    begin = time.process_time()
    marks_of(message)
    assert time.process_time() - begin < 1.0
