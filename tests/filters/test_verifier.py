"""What becomes of a message that arrives: the field on top, the reply, the line in the log."""

import asyncio
import json
import re
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from filters.addresses import AddressFile
from filters.bare_addresses import add_domains
from filters.forwarding import Forwarding
from filters.keyring import KeyRing, KeySpec
from filters.mailauth.arc import verify as arc_verify
from filters.mailauth.dkim.signing_key import public_record
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message
from filters.mailauth.policy import Enforce
from filters.recipients import QUARANTINED
from filters.smtpd import Reject, Session, Transaction
from filters.spam_fields import SpamFields
from filters.verifier import InboundPolicy, Verifier
from tests.container.harness.messages import key_pair


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
    kept = b"From: x@far.example\r\nSubject: \xff\x85\r\n\r\nbody \x0b\r\n"
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
    ("enforce", "author", "domain"),
    [
        ("yes", "x@junk.example", "junk.example"),
        ("quarantine", "x@junk.example", None),
        ("no", "x@junk.example", None),
        ("yes", "x@none.example", None),
    ],
)
def test_who_is_in_quarantine_is_noted_for_one_message(
    enforce: Enforce, author: str, domain: str | None
) -> None:
    verifier = Verifier("mail.example.org", REJECTS, InboundPolicy(enforce=enforce))
    session = arriving(author)
    asyncio.run(verifier.verify(session, letter(author)))
    assert session.state.get(QUARANTINED) == domain
    asyncio.run(verifier.verify(session, letter("x@none.example")))
    assert QUARANTINED not in session.state


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


OURS = b"Authentication-Results: mail.example.org; dmarc=pass header.from=far.example"


FLAG = ["X-Spam-Flag"]


def rename(message: bytes) -> bytes:
    """As filters.spam_fields does before the filters of others."""
    return SpamFields(FLAG).rename(Session("s"), message)


def verified(message: bytes, *, renamed: bool = False) -> bytes | Reject:
    """What becomes of a message of nobody's domain."""
    fields = SpamFields(FLAG, renamed=renamed)
    resolver = StaticResolver({})
    verifier = Verifier("mail.example.org", resolver, InboundPolicy(), spam_fields=fields)
    answer = asyncio.run(verifier.verify(arriving("x@far.example"), message))
    return answer if isinstance(answer, Reject) else answer.partition(b"Received:")[2]


@pytest.mark.parametrize(
    ("came", "left"),
    [
        (b"X: y\r" + OURS, b"X: y " + OURS),
        (b"X: y\r\r", b"X: y  "),
        (b"X\r: y", b"X : y"),
        # Only the space makes it ours; to others, the CR did.
        (b"Authentication-Results: mail.example.org\r; dmarc=pass", None),
        (b"Authentication-Results\r: mail.example.org; dmarc=pass", None),
        (b"A: b\r\n" + OURS, b"A: b"),
    ],
)
def test_a_bare_cr_in_the_header_is_a_space(came: bytes, left: bytes | None) -> None:
    rest = b"From: x@far.example\r\n\r\n.\r\r\n\ra\r\r\n\r\r\n"
    answer = verified(b"Received: smtpd\r\n" + came + b"\r\n" + rest)
    field = b"" if left is None else left + b"\r\n"
    assert answer == b" smtpd\r\n" + field + b"From: x@far.example\r\n\r\n. \r\n a \r\n \r\n"


@pytest.mark.parametrize(
    "fields",
    [
        b"From: x@far.example\r\n\r, <ceo@bank.example>",
        b"From: x@far.example\r\n\r",
        b"\rA: b\r\nFrom: x@far.example",
        b"A: b\r\n\r\rB: c\r\nFrom: x@far.example",
    ],
)
def test_a_header_line_that_would_be_folded_is_refused(fields: bytes) -> None:
    answer = verified(fields + b"\r\n\r\nbody\r\n")
    assert isinstance(answer, Reject)
    assert (answer.code, answer.text[:5]) == (550, "5.6.0")


def test_signatures_are_verified_over_the_bytes_as_they_came() -> None:
    private, record = key_pair()
    letter = b"From: x@far.example\r\nSubject: a\rb\r\nX-Spam: yes\r\n\r\n.\rbody\r\r\n"
    covered = [b"from", b"subject", b"x-spam"]
    simple = (b"simple", b"simple")
    signature = dkim.sign(
        letter, b"s", b"far.example", private, None, simple, b"rsa-sha256", covered
    )
    signed = signature + letter
    txt = "".join(re.findall('"([^"]*)"', record))
    resolver = StaticResolver({"s._domainkey.far.example": {"TXT": [txt]}})
    for renamed, came in ((False, signed), (True, rename(signed))):
        verifier = Verifier(
            "mail.example.org",
            resolver,
            InboundPolicy(),
            spam_fields=SpamFields(FLAG, renamed=renamed),
        )
        answer = asyncio.run(verifier.verify(arriving("x@far.example"), came))
        assert isinstance(answer, bytes)
        assert b"dkim=pass" in answer
        assert b"X-Spam" not in answer
        assert answer.endswith(b"\r\nSubject: a b\r\n\r\n. body \r\n")


@pytest.mark.parametrize(
    "field",
    [
        b"X-Spam: yes",
        b"x-spam:\tYES",
        b"X-SPAM-FLAG: yes",
        b"X-Spam : yes",
        b"X-Spam:\r\n yes",
        b"X-Spam\r: yes",
        b"X-Spam: =?utf-8?q?yes?=",
        b"X-Spam: no",
        b"X-Spam-As-Sent: yes",
    ],
)
def test_a_clients_word_that_it_is_spam_is_not_passed_on(field: bytes) -> None:
    rest = b"From: x@far.example\r\n\r\nX-Spam: yes\r\n"
    top = b"X-Spam: Yes\r\nReceived: smtpd\r\n"
    sent = top + field + b"\r\nX-Spammer: yes\r\n" + field + b"\r\n" + rest
    kept = b" smtpd\r\nX-Spammer: yes\r\n" + rest
    if b"As-Sent" not in field:
        assert verified(sent) == kept
    came = rename(sent)
    # Filters between may write theirs anywhere.
    came = b"X-Spam: yes\r\n" + came.replace(b"From:", b"X-Spam: yes\r\nFrom:")
    answer = verified(came, renamed=True)
    assert answer == kept.replace(b"From:", b"X-Spam: yes\r\nFrom:")
    assert SpamFields(FLAG, renamed=True).as_sent(rename(sent)) == sent


def test_smtpds_own_word_that_it_is_spam_is_passed_on() -> None:
    """It stands above the Received field that smtpd writes; no client can write there."""
    rest = b"From: x@far.example\r\n\r\nbody\r\n"
    own = b"X-Spam: Yes\r\nReceived: smtpd\r\n"
    verifier = Verifier("mail.example.org", StaticResolver({}), InboundPolicy())
    came = own + b"Received: a client\r\nX-Spam: yes\r\n" + rest
    answer = asyncio.run(verifier.verify(arriving("x@far.example"), came))
    assert isinstance(answer, bytes)
    assert answer.endswith(b"\r\n" + own + b"Received: a client\r\n" + rest)


def test_a_field_that_no_delivery_believes_is_the_clients_own() -> None:
    rest = b"X-Spam-Flag: YES\r\nX-Spam-Status: Yes\r\nFrom: x@far.example\r\n\r\nbody\r\n"
    came = Message(b"X-Spam: yes\r\n" + rest)
    assert SpamFields().without_sent(came).raw == rest
    assert SpamFields(FLAG).without_sent(came).raw == rest.partition(b"\n")[2]


def test_a_message_goes_back_before_its_line_is_written(caplog: pytest.LogCaptureFixture) -> None:
    """What the line says was so when it was decided: the transaction may be over by then."""
    caplog.set_level("INFO")

    async def run() -> None:
        session = arriving("x@far.example", "192.0.2.1")
        verifier = Verifier("mail.example.org", REJECTS, InboundPolicy())
        stamped = await verifier.verify(session, b"From: x@far.example\r\n\r\n")
        assert isinstance(stamped, bytes)
        assert caplog.messages == []
        session.transaction = None
        await asyncio.sleep(0)

    asyncio.run(run())
    (line,) = caplog.messages
    assert "session=s msgid=01234567 client=192.0.2.1 author=far.example " in line
    assert line.endswith('from="x@far.example" message-id=""')
