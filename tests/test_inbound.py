"""The inbound filter's decisions at RCPT, and how it runs under a socket like smtpd's."""

import asyncio
import json
from pathlib import Path

import pytest

from filters.addresses import AddressBook, AddressFile
from filters.inbound import Inbound, Policy
from filters.mailauth.resolver import StaticResolver
from filters.recipients import refuse_recipient
from filters.smtpd import Session, Transaction

BOOK = AddressBook.from_json(
    json.dumps(
        {
            "delimiter": "+",
            "domains": ["example.org", "catchall.example"],
            "owners": {
                "alice@example.org": ["alice@example.org"],
                "away@example.org": [],
                "@catchall.example": ["alice@example.org"],
            },
        }
    )
)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("alice@example.org", None),
        ("ALICE@EXAMPLE.ORG", None),
        ("alice+tag@example.org", None),
        ("away@example.org", None),
        ("anyone@catchall.example", None),
        ("postmaster", None),
        ("Postmaster", None),
        ("SRS0=abcd=ef=far.example=x@example.org", None),
        ("SRS1=abcd=far.example==ef@example.org", None),
        ("nobody@example.org", "5.1.1"),
        ("someone", "5.1.3"),
        ("a/../b@example.org", "5.1.3"),
        ("a/b@catchall.example", "5.1.3"),
        ("a..b@catchall.example", "5.1.3"),
        ("alice@far.example", "5.7.1"),
        ("alice%far.example@example.org", "5.1.1"),
        ("far.example!alice@example.org", "5.1.1"),
        ('"alice@far.example"@example.org', "5.1.1"),
        ("alice@example.org@far.example", "5.7.1"),
        ("alice@[192.0.2.1]", "5.7.1"),
        ("alice@sub.example.org", "5.7.1"),
        ("SRS0=abcd=ef=far.example=x@far.example", "5.7.1"),
    ],
)
def test_recipients(address: str, code: str | None) -> None:
    refusal = refuse_recipient(BOOK, address)
    if code is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.code == 550
        assert refusal.text.startswith(code)


def test_a_changed_address_file_counts_at_once_and_a_broken_one_never(tmp_path: Path) -> None:
    path = tmp_path / "addresses.json"
    path.write_text('{"domains": ["a.example"], "owners": {}}')
    file = AddressFile(path)
    assert file.book.is_ours("A.example")
    path.write_text('{"domains": ["b.example"], "owners": {}, "delimiter": "-"}')
    assert file.book.is_ours("b.example")
    path.write_text('{"domains": ')
    assert file.book.is_ours("b.example")
    path.unlink()
    assert file.book.is_ours("b.example")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"domains": 1, "owners": {}}', "null"])
def test_what_is_no_address_book_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        AddressBook.from_json(text)


@pytest.mark.parametrize(
    ("client", "unknown", "expected"),
    [
        ("192.0.2.1", (), b"spf=pass"),
        ("192.0.2.2", (), b"spf=fail"),
        ("192.0.2.1", ("192.0.2.1",), b"spf=none"),
    ],
)
def test_one_field_on_top_and_every_other_byte_as_it_was(
    client: str, unknown: tuple[str, ...], expected: bytes
) -> None:
    resolver = StaticResolver({"far.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}})
    policy = Policy(unknown_clients=frozenset(unknown))
    inbound = Inbound("mail.example.org", resolver, policy)
    session = Session(
        "s",
        client_address=client,
        helo="far.example",
        transaction=Transaction("01234567", "x@far.example", ["alice@example.org"]),
    )
    kept = b"From: x@far.example\r\nSubject: \xff\x85\r\n\r\nbody \r\x0b\r\n"
    forged = b"Authentication-Results: MAIL.example.org; spf=pass smtp.mailfrom=y@z.example\r\n"
    others = b"Authentication-Results: other.example; spf=pass smtp.mailfrom=y@z.example\r\n"
    stamped = asyncio.run(inbound.verify(session, others + forged + kept))
    assert isinstance(stamped, bytes)
    assert stamped.endswith(others + kept)
    field = stamped.removesuffix(others + kept)
    assert field.startswith(b"Authentication-Results: mail.example.org;")
    assert field.lower().count(b"authentication-results") == 1
    assert expected in field
