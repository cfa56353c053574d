"""The inbound filter's decisions at RCPT, and how it runs under a socket like smtpd's."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from filters.addresses import AddressBook, AddressFile
from filters.bare_addresses import complete
from filters.forwarding import Forwarding
from filters.keyring import KeyRing, KeySpec
from filters.mailauth.arc import verify as arc_verify
from filters.mailauth.dkim.sign import public_record
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message
from filters.recipients import refuse_recipient
from filters.smtpd import Reject, Session, Transaction
from filters.verifier import Policy, Verifier

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
    verifier = Verifier("mail.example.org", resolver, policy)
    session = Session(
        "s",
        client_address=client,
        helo="far.example",
        transaction=Transaction("01234567", "x@far.example", ["alice@example.org"]),
    )
    kept = b"From: x@far.example\r\nSubject: \xff\x85\r\n\r\nbody \r\x0b\r\n"
    forged = b"Authentication-Results: MAIL.example.org; spf=pass smtp.mailfrom=y@z.example\r\n"
    others = b"Authentication-Results: other.example; spf=pass smtp.mailfrom=y@z.example\r\n"
    stamped = asyncio.run(verifier.verify(session, others + forged + kept))
    assert isinstance(stamped, bytes)
    assert stamped.endswith(others + kept)
    field = stamped.removesuffix(others + kept)
    assert field.startswith(b"Authentication-Results: mail.example.org;")
    assert field.lower().count(b"authentication-results") == 1
    assert expected in field


REJECTS = StaticResolver(
    {
        "far.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
        "_dmarc.far.example": {"TXT": ["v=DMARC1; p=reject"]},
        "junk.example": {"TXT": ["v=spf1 -all"]},
        "_dmarc.junk.example": {"TXT": ["v=DMARC1; p=quarantine"]},
        "late.example": {"TXT": "TIMEOUT"},
        "_dmarc.late.example": {"TXT": ["v=DMARC1; p=reject"]},
    }
)


def arriving(sender: str, client: str = "192.0.2.9", to: str = "alice@example.org") -> Session:
    return Session(
        "s",
        client_address=client,
        helo="h.example",
        hostname="mail.example.org",
        transaction=Transaction("01234567", sender, [to]),
    )


def letter(author: str) -> bytes:
    return f"From: {author}\r\nMessage-ID: <a\x1bb@c>\r\n\r\nbody\r\n".encode()


@pytest.mark.parametrize(
    ("author", "client", "code", "said"),
    [
        ("x@far.example", "192.0.2.9", 550, "5.7.26 refused by the DMARC policy of far.example: "),
        ("x@late.example", "192.0.2.9", 451, "4.7.5 late.example cannot be verified now, "),
        ("x@a.example, y@b.example", "192.0.2.9", 550, "5.7.26 the author cannot be verified: "),
        ("x@far.example", "192.0.2.1", None, ""),
        ("x@junk.example", "192.0.2.9", None, "X-Spam: yes"),
    ],
)
def test_the_policy_becomes_a_reply_and_one_line_in_the_log(
    author: str, client: str, code: int | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    verifier = Verifier("mail.example.org", REJECTS, Policy())
    with caplog.at_level("INFO"):
        answer = asyncio.run(verifier.verify(arriving(author, client), letter(author)))
    if code is None:
        assert isinstance(answer, bytes)
        assert answer.startswith(said.encode())
        assert answer.endswith(letter(author))
    else:
        assert isinstance(answer, Reject)
        assert answer.code == code
        assert answer.text.startswith(said)
        assert len(answer.text) > len(said)
    (line,) = [record.getMessage() for record in caplog.records]
    for part in ("msgid=01234567", f"client={client}", "spf=", "dkim=none", "disposition="):
        assert part in line


def test_a_seal_stands_on_what_smtpd_completes_and_only_on_what_leaves(tmp_path: Path) -> None:
    path = tmp_path / "addresses.json"
    path.write_text(
        json.dumps(
            {
                "domains": ["example.org"],
                "owners": {"alice@example.org": ["alice@example.org"], "away@example.org": []},
                "forwards": ["away@example.org"],
            }
        )
    )
    private = Ed25519PrivateKey.generate()
    key = tmp_path / "arc.pem"
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ring = KeyRing([KeySpec("mail.example.org", "arc", key)])
    addresses = AddressFile(path)
    verifier = Verifier(
        "mail.example.org", REJECTS, Policy(), forwarding=Forwarding(ring, addresses)
    )
    record = public_record(ring.keys_for("mail.example.org")[0])
    zone = StaticResolver({"arc._domainkey.mail.example.org": {"TXT": [record]}})
    message = b"From: x@none.example\r\nTo: alice\r\nCc: (bob) carol\r\n\r\nbody\r\n"
    for to, result in (("alice@example.org", "none"), ("AWAY@example.org", "pass")):
        sealed = asyncio.run(verifier.verify(arriving("x@none.example", to=to), message))
        assert isinstance(sealed, bytes)
        completed = complete(Message(sealed), "mail.example.org")
        assert asyncio.run(arc_verify.verify(completed, zone)).result == result


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--arc-seal", "a:b:/nowhere/key.pem", "--addresses", "{addresses}"], "/nowhere/key.pem"),
        (["--arc-seal", "nonsense", "--addresses", "{addresses}"], "DOMAIN:SELECTOR:KEYFILE"),
        (["--addresses", "/nowhere/addresses.json"], "/nowhere/addresses.json"),
    ],
)
def test_it_does_not_start_with_what_it_cannot_use(
    arguments: list[str], error: str, tmp_path: Path
) -> None:
    addresses = tmp_path / "addresses.json"
    addresses.write_text('{"domains": [], "owners": {}}')
    command = [argument.replace("{addresses}", str(addresses)) for argument in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "filters.inbound", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert error in done.stderr
