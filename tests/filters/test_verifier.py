"""What becomes of a message that arrives: the field on top, the reply, the line in the log."""

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from filters.addresses import AddressFile
from filters.bare_addresses import add_domains
from filters.forwarding import Forwarding
from filters.keyring import KeyRing, KeySpec
from filters.mailauth.arc import verify as arc_verify
from filters.mailauth.dkim.sign import public_record
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message
from filters.smtpd import Reject, Session, Transaction
from filters.verifier import InboundPolicy, Verifier


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
    policy = InboundPolicy(unknown_clients=frozenset(unknown))
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
    verifier = Verifier("mail.example.org", REJECTS, InboundPolicy())
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


@pytest.mark.parametrize(
    ("author", "kept"),
    [
        ("ceo, x <x@far.example>", '"ceo, x" <x@far.example>'),
        ("Foo: [Bar] <x@far.example>", '"Foo: [Bar]" <x@far.example>'),
        ("Foo <x@ far.example>", "Foo <x@ far.example>"),
    ],
)
def test_a_name_is_passed_on_in_quotes_after_it_was_verified(author: str, kept: str) -> None:
    verifier = Verifier("mail.example.org", REJECTS, InboundPolicy())
    answer = asyncio.run(verifier.verify(arriving("x@far.example", "192.0.2.1"), letter(author)))
    assert isinstance(answer, bytes)
    assert answer.endswith(letter(kept))
    assert b"header.from=far.example" in answer
    assert add_domains(Message(answer), "mail.example.org").raw == answer


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
        "mail.example.org", REJECTS, InboundPolicy(), forwarding=Forwarding(ring, addresses)
    )
    record = public_record(ring.keys_for("mail.example.org")[0])
    zone = StaticResolver({"arc._domainkey.mail.example.org": {"TXT": [record]}})
    message = b"From: a, b <x@none.example>\r\nTo: alice\r\nCc: (bob) carol\r\n\r\nbody\r\n"
    for to, result in (("alice@example.org", "none"), ("AWAY@example.org", "pass")):
        sealed = asyncio.run(verifier.verify(arriving("x@none.example", to=to), message))
        assert isinstance(sealed, bytes)
        completed = add_domains(Message(sealed), "mail.example.org")
        assert asyncio.run(arc_verify.verify(completed, zone)).result == result
