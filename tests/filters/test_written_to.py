"""The datagram that says whom an account has written to."""

from __future__ import annotations

import random

import pytest

from filters.written_to import (
    LONGEST_DATAGRAM,
    MOST_RECIPIENTS,
    WrittenTo,
    decode_written_to,
    encode_written_to,
)

ALICE = "alice@example.org"
SAID = b"alice@example.org\0bob@far.example"
LONG = f"{'x' * 310}@far.example"


@pytest.mark.parametrize(
    ("account", "recipients", "datagram"),
    [
        (ALICE, ["bob@far.example"], SAID),
        ("Alice@Example.org", ["BOB@far.example", "bob@FAR.example"], SAID),
        (ALICE, ["b\0b@far.example", "b b@far.example", "bob@far.example"], SAID),
        (ALICE, ["b\\xc3@far.example", "bücher@far.example"], None),
        (ALICE, ["postmaster", "@far.example", "", LONG], None),
        (ALICE, [], None),
        ("nobody", ["bob@far.example"], None),
        (ALICE, ['"b@b"@far.example'], b'alice@example.org\0"b@b"@far.example'),
    ],
)
def test_a_datagram(account: str, recipients: list[str], datagram: bytes | None) -> None:
    assert encode_written_to(account, recipients) == datagram


def test_of_many_the_first_are_named() -> None:
    many = [f"{number:0>290}@far.example" for number in range(MOST_RECIPIENTS * 3)]
    datagram = encode_written_to(ALICE, many)
    assert datagram is not None
    assert len(datagram) <= LONGEST_DATAGRAM
    assert decode_written_to(datagram) == WrittenTo(ALICE, tuple(many[:MOST_RECIPIENTS]))


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0",
        b"alice@example.org",
        b"alice@example.org\0",
        b"\0bob@far.example",
        b"alice@example.org\0bob@far.example\0",
        b"alice@example.org\0b\xc3@far.example",
        b"alice@example.org\0b b@far.example",
        b"alice@example.org\0b\nb@far.example",
        b"Alice@example.org\0bob@far.example",
        b"alice@example.org" + b"\0bob@far.example" * (MOST_RECIPIENTS + 1),
        b"x" * (LONGEST_DATAGRAM + 1),
    ],
)
def test_what_is_no_such_datagram(datagram: bytes) -> None:
    assert decode_written_to(datagram) is None


@pytest.mark.parametrize("seed", range(100))
def test_whatever_comes_is_read_or_not_and_nothing_else(seed: int) -> None:
    draw = random.Random(seed)
    pieces = [b"a@b", b"\0", b"@", b"\xff", b"", b" ", b"x" * 400, b"\r\n", b"A@B"]
    datagram = b"".join(draw.choice(pieces) for _ in range(draw.randrange(12)))
    said = decode_written_to(datagram)
    if said is not None:
        assert encode_written_to(said.account, said.recipients) is not None
