"""The submission filter's decisions: who may send as whom, what is signed and with which key."""

import asyncio
import email.utils
import json
import logging
import re
import time
from pathlib import Path

import pytest

from entrypoint.health.unsigned import check_unsigned
from filters.addresses import AddressFile
from filters.bare_addresses import add_domains
from filters.keyring import KeyRing, KeySpec
from filters.mailauth.dkim.signing_key import public_record
from filters.mailauth.dkim.verify import verify
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message
from filters.signer import Signer
from filters.smtpd import Reject, Request, Session, Transaction
from filters.smtpd.connection import Handshake
from filters.unsigned_counts import UnsignedCounts

from .signing_keys import write_key

BOOK = {
    "delimiter": "+",
    "domains": ["example.org", "example.net"],
    "owners": {
        "alice@example.org": ["alice@example.org"],
        "info@example.org": ["alice@example.org", "bob@example.net"],
        "bob@example.net": ["bob@example.net"],
        "carol@example.net": ["carol@example.net"],
        "@example.net": ["bob@example.net"],
        "away@example.org": [],
    },
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name, kind in (("org", "rsa"), ("org-ed", "ed25519"), ("net", "rsa"), ("sub", "rsa")):
        write_key(folder / name, kind)
    return folder


@pytest.fixture
def ring(keys: Path) -> KeyRing:
    return KeyRing(
        [
            KeySpec.parse(f"example.org:s1:{keys}/org"),
            KeySpec.parse(f"example.org:s1-ed25519:{keys}/org-ed"),
            KeySpec.parse(f"Example.NET:s2:{keys}/net"),
            KeySpec.parse(f"sub.example.org:s3:{keys}/sub"),
        ]
    )


@pytest.fixture
def signer(ring: KeyRing, tmp_path: Path) -> Signer:
    path = tmp_path / "addresses.json"
    path.write_text(json.dumps(BOOK))
    return Signer(ring, AddressFile(path), required=False)


def session(user: str | None = "alice@example.org") -> Session:
    return Session("s", hostname="mail.example.org", user=user, local=user is None)


def message(author: str, *fields: str) -> bytes:
    lines = [f"From: {author}", "To: x@far.example", "Subject: x", *fields, "", "hello", ""]
    return "\r\n".join(lines).encode()


DATED = ("Date: Wed, 25 Nov 2026 04:00:00 +0000", "Message-ID: <1@client.example>")


def signatures(signed: bytes, ring: KeyRing) -> list[tuple[str, str, str]]:
    """(domain, selector, result) of every signature, verified with the keys' own records."""
    zone = {
        f"{key.selector}._domainkey.{key.domain}": {"TXT": [public_record(key)]}
        for domain in ring.domains
        for key in ring.keys_for(domain)
    }
    results = asyncio.run(verify(Message(signed), StaticResolver(zone)))
    return [(r.domain, r.selector, r.result) for r in results]


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        ("alice@example.org", [("example.org", "s1"), ("example.org", "s1-ed25519")]),
        ("Alice <ALICE@EXAMPLE.ORG>", [("example.org", "s1"), ("example.org", "s1-ed25519")]),
        ("x@deep.mail.example.org", [("example.org", "s1"), ("example.org", "s1-ed25519")]),
        ("x@sub.example.org", [("sub.example.org", "s3")]),
        ("x@a.sub.example.org", [("sub.example.org", "s3")]),
        ("x@example.net", [("example.net", "s2")]),
        ("x@notexample.org", []),
        ("x@org", []),
        ("alice", [("example.org", "s1"), ("example.org", "s1-ed25519")]),
    ],
)
def test_the_author_domain_chooses_the_keys(
    ring: KeyRing, author: str, expected: list[tuple[str, str]]
) -> None:
    signed = Signer(ring, None, required=False).sign(session(), message(author))
    assert isinstance(signed, bytes)
    found = signatures(signed, ring)
    assert sorted(found) == sorted((d, s, "pass") for d, s in expected)


@pytest.mark.parametrize(
    ("author", "sent"),
    [
        ("Foo, Inc. <alice@example.org>", '"Foo, Inc." <alice@example.org>'),
        ("Foo: [Bar] <alice@example.org>", '"Foo: [Bar]" <alice@example.org>'),
        ('"A \\"B\\", C" <alice@example.org>', "\"A 'B', C\" <alice@example.org>"),
        ("Alice < alice@ example.org >", "Alice < alice@ example.org >"),
    ],
)
def test_a_name_is_put_in_quotes_before_it_is_signed(
    signer: Signer, ring: KeyRing, author: str, sent: str
) -> None:
    signed = signer.sign(session(), message(author))
    assert isinstance(signed, bytes)
    assert signed.endswith(message(sent))
    assert {result for _domain, _selector, result in signatures(signed, ring)} == {"pass"}
    assert add_domains(Message(signed), "mail.example.org").raw == signed


def test_a_bare_word_beside_another_author_is_still_refused(signer: Signer) -> None:
    for author in ("ceo, x <bob@example.net>", "x, y <alice@example.org>, z <bob@example.net>"):
        assert isinstance(signer.sign(session(), message(author)), Reject)


@pytest.mark.parametrize(
    ("login", "address", "allowed"),
    [
        ("alice@example.org", "", True),
        ("alice@example.org", "alice@example.org", True),
        ("alice@example.org", "ALICE@Example.Org", True),
        ("Alice@example.org", "alice+tag@example.org", True),
        ("alice@example.org", "info@example.org", True),
        ("bob@example.net", "info@example.org", True),
        ("bob@example.net", "any@example.net", True),
        ("alice@example.org", "bob@example.net", False),
        ("alice@example.org", "away@example.org", False),
        ("alice@example.org", "nobody@example.org", False),
        ("alice@example.org", "alice@far.example", False),
        ("alice@example.org", "alice@example.org@far.example", False),
        ("alice@example.org", "+alice@example.org", False),
        # smtpd takes the address behind the colon; the catch-all is not for it.
        ("bob@example.net", "@x.test:any@example.net", True),
        ("bob@example.net", "@x.test:carol@example.net", False),
        ("bob@example.net", "x:carol@example.net", False),
        ("bob@example.net", ":carol@example.net", False),
    ],
)
def test_the_envelope_sender_must_be_the_logins_own(
    signer: Signer, login: str, address: str, allowed: bool
) -> None:
    request = Request((0, 7), "mail-from", "s", "t", address.encode())
    verdict = signer.reject_sender_login_mismatch(session(login), request)
    if allowed:
        assert verdict is None
    else:
        assert isinstance(verdict, Reject)
        assert verdict.code == 550
        assert f"<{address.rpartition(':')[2]}>" in verdict.text


@pytest.mark.parametrize(("login", "allowed"), [("alice@example.org", True), ("health-1", False)])
def test_the_null_sender_is_for_who_has_an_address(
    signer: Signer, login: str, allowed: bool
) -> None:
    request = Request((0, 7), "mail-from", "s", "t", b"")
    verdict = signer.reject_sender_login_mismatch(session(login), request)
    if allowed:
        assert verdict is None
    else:
        assert isinstance(verdict, Reject)
        assert (verdict.code, verdict.text) == (550, "5.7.1 health-1 has no address to send from")


@pytest.mark.parametrize(
    ("author", "named"),
    [
        ("bob@example.net", "bob@example.net"),
        ("alice@example.org, bob@example.net", "5.6.0"),
        ("alice@example.org\r\nFrom: bob@example.net", "5.6.0"),
        ("alice@example.org <bob@example.net>", "5.6.0"),
    ],
)
def test_the_from_field_must_be_the_logins_own(signer: Signer, author: str, named: str) -> None:
    verdict = signer.sign(session(), message(author))
    assert isinstance(verdict, Reject)
    assert verdict.code == 550
    assert named in verdict.text


@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        ("Sender: alice@example.org", True),
        ("Sender: Alice <ALICE+x@Example.org>", True),
        ("Resent-From: info@example.org", True),
        # A host of her own, as some programs write it; nobody here is spoken for.
        ("Sender: alice@laptop.example.org", True),
        ("Sender: alice@laptop_1.local", True),
        ("Sender: root", True),
        ("Sender:", True),
        ("Sender: list@far.example", True),
        ("Reply-To: carol@example.net", True),
        ("Sender: carol@example.net", False),
        ("SENDER : Carol <Carol@EXAMPLE.net>", False),
        ("Sender: alice@example.org\r\nSender: carol@example.net", False),
        ("Resent-From: alice@example.org, carol@example.net", False),
        ("Resent-Sender: nobody@example.org", False),
        ('Sender: "carol"@example.net', False),
        ("Sender: carol(x)@example.net", False),
        ("Sender: <carol@example.net", False),
        ("Sender: Example.net: carol", False),
        ("Sender: =?utf-8?q?carol?=@example.net", False),
        ("Sender: carol@example\u3002net, x", False),
        ("Sender: carol@example\u3002net", False),
        ("Sender: Mailer-Daemon@mail.example.org", False),
    ],
)
def test_who_else_has_sent_it_is_no_other_of_ours(
    signer: Signer, field: str, allowed: bool
) -> None:
    """Mail programs show `carol@example.net on behalf of alice@example.org`."""
    verdict = signer.sign(session(), message("alice@example.org", field))
    assert isinstance(verdict, bytes) == allowed, verdict
    if isinstance(verdict, Reject):
        assert verdict.code == 550


def test_a_message_without_from_is_refused(signer: Signer) -> None:
    verdict = signer.sign(session(), b"Subject: x\r\n\r\nhello\r\n")
    assert isinstance(verdict, Reject)
    assert verdict.code == 550


OWN = "Received: from localhost (mail.example.org [local]) by mail.example.org"


def handed_in(signer: Signer, sender: bytes = b"") -> Session:
    """A session on the local socket, after MAIL."""
    local = session(None)
    signer.note_null_sender(local, Request((0, 7), "mail-from", "s", "t", sender))
    return local


@pytest.mark.parametrize("name", ["MAILER-DAEMON", "mailer-daemon", "Mailer-Daemon"])
def test_the_local_socket_signs_bounces(signer: Signer, ring: KeyRing, name: str) -> None:
    raw = message(f"Mailer Daemon <{name}@mail.example.org>", OWN)
    bounce = signer.sign(handed_in(signer), raw)
    assert isinstance(bounce, bytes)
    assert {domain for domain, _, _ in signatures(bounce, ring)} == {"example.org"}


@pytest.mark.parametrize(
    ("sender", "author"),
    [
        (b"", "alice@example.org"),
        (b"alice@example.org", "alice@example.org"),
        (b"", "alice"),
        (b"", "MAILER-DAEMON@example.org"),
        (b"", "MAILER-DAEMON@mail.example.org@example.org"),
        (b"", "MAILER-DAEMON@other.example.org"),
        (b"", "MAILER-DAEMON+x@mail.example.org"),
        (b"", "MAILER-DAEMON@mail.example.org, alice@example.org"),
        (b"", "MAILER-DAEMON@mail.example.org\r\nFrom: alice@example.org"),
        (b"", "alice@example.org\r\nFrom: MAILER-DAEMON@mail.example.org"),
        (b"", "MAILER-DAEMON@mail.example.org <alice@example.org>"),
        (b"alice@example.org", "MAILER-DAEMON@mail.example.org"),
        (b"MAILER-DAEMON@mail.example.org", "MAILER-DAEMON@mail.example.org"),
    ],
)
def test_the_local_socket_signs_nothing_else_without_an_account(
    signer: Signer, ring: KeyRing, sender: bytes, author: str
) -> None:
    signed = signer.sign(handed_in(signer, sender), message(author, OWN))
    assert isinstance(signed, bytes)
    assert b"DKIM-Signature" not in signed


def test_a_bounce_before_in_the_same_session_counts_for_nothing(signer: Signer) -> None:
    local, raw = handed_in(signer), message("MAILER-DAEMON@mail.example.org", OWN)
    signer.note_null_sender(local, Request((0, 7), "mail-from", "s", "t", b"a@example.org"))
    assert signer.sign(local, raw) == raw


def test_the_local_socket_never_signs_what_has_travelled(signer: Signer) -> None:
    travelled = message("MAILER-DAEMON@mail.example.org", OWN, "Received: from far.example by x")
    assert signer.sign(handed_in(signer), travelled) == travelled


def test_where_all_has_to_be_signed_local_mail_of_no_account_is_refused(
    signer: Signer, ring: KeyRing
) -> None:
    strict = Signer(ring, signer.addresses, required=True)
    refused = strict.sign(handed_in(strict), message("alice@example.org", OWN))
    assert isinstance(refused, Reject)
    assert refused.code == 550
    foreign = message("x@far.example", OWN)
    assert strict.sign(handed_in(strict), foreign) == foreign


def test_without_a_list_of_accounts_local_mail_is_signed(ring: KeyRing) -> None:
    """So it is where the filter alone runs, for the cron of the machine."""
    signed = Signer(ring, None, required=False).sign(session(None), message("root@example.org"))
    assert isinstance(signed, bytes)
    assert signatures(signed, ring)


def test_what_cannot_be_signed_is_loud_and_required_makes_it_wait(
    ring: KeyRing, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    class NoKey:
        """A key that fails when it is used."""

        domain, selector, algorithm = "example.org", "s1", "rsa-sha256"

    raw = message("alice@example.org", *DATED)
    path = tmp_path / "unsigned.json"
    good = ring._by_domain
    ring._by_domain = {"example.org": (NoKey(),)}  # type: ignore[dict-item]
    unsigned = UnsignedCounts(path)
    lax = Signer(ring, None, required=False, unsigned=unsigned)
    assert lax.sign(session(), raw) == raw
    assert lax.sign(session(), raw) == raw
    assert "example.org" in caplog.text
    unsigned.finish()
    told = check_unsigned(time.time(), path, tmp_path.owner())
    assert "2 messages from example.org" in told[0]
    ring._by_domain = good
    assert lax.sign(session(), raw) != raw
    unsigned.finish()
    assert not check_unsigned(time.time() + 901, path, tmp_path.owner())
    ring._by_domain = {"example.org": (NoKey(),)}  # type: ignore[dict-item]
    assert "2 so far" in caplog.text
    refused = Signer(ring, None, required=True).sign(session(), raw)
    assert isinstance(refused, Reject)
    assert refused.code == 451


def test_a_domain_of_ours_without_a_key_is_loud_too(
    signer: Signer, ring: KeyRing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "unsigned.json"
    ring._by_domain = {}
    unsigned = UnsignedCounts(path)
    silent = Signer(ring, signer.addresses, required=False, unsigned=unsigned)
    raw = message("alice@example.org", *DATED)
    assert silent.sign(session(), raw) == raw
    assert "there is no key" in caplog.text
    unsigned.finish()
    assert check_unsigned(time.time(), path, tmp_path.owner())
    # Forwarded or handed in by somebody who is not ours: nothing of ours is missing.
    assert silent.sign(session(None), message("x@far.example")) == message("x@far.example")
    unsigned.finish()
    assert "far.example" not in path.read_text()


def sent_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    return [line for line in lines if " message-id=" in line]


def test_each_message_that_is_signed_has_a_line(
    signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mine = session()
    mine.transaction = Transaction("01234567", sender="alice@example.org")
    fields = (DATED[0], 'Message-ID: <x" login="root@y>')
    signer.sign(mine, message("alice@example.org", *fields))
    assert sent_lines(caplog) == [
        "session=s msgid=01234567 login=alice@example.org author=example.org "
        'signed=s1,s1-ed25519 from="alice@example.org" message-id="<x\\" login=\\"root@y>"'
    ]


def test_the_line_comes_behind_the_message(
    signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def sign() -> None:
        signer.sign(session(), message("alice@example.org", *DATED))
        assert not sent_lines(caplog)

    asyncio.run(sign())
    assert len(sent_lines(caplog)) == 1


# -- what comes back with a bounce or a rejection ------------------------------------------------

FACTS = b"X-Signpost-Facts: dmarc=unknown "
VERIFIED = "Authentication-Results: mail.example.org; spf=fail; dmarc={}"
SENT_ON = "X-Sieve-Redirected-From: alice@example.org"


def returning(*header: str, first: str = "Sorry.") -> bytes:
    """As smtpd returns the header section of a letter, and Dovecot the whole of it."""
    parts = [
        "Content-Type: text/plain\r\n\r\n" + first,
        "Content-Type: message/delivery-status\r\n\r\nAction: failed",
        "\r\n".join(["Content-Type: message/rfc822", "", *header, "", "hello"]),
    ]
    body = "".join(f"\r\n--1/x\r\n{part}" for part in parts) + "\r\n--1/x--\r\n"
    kind = 'Content-Type: multipart/mixed; boundary="1/x"'
    return message(DAEMON, OWN, kind).replace(b"\r\nhello\r\n", body.encode())


def returned_to(signer: Signer, raw: bytes, recipient: str = "alice@example.org") -> bytes:
    local = handed_in(signer)
    local.transaction = Transaction("7", sender="", recipients=[recipient])
    signed = signer.sign(local, raw)
    assert isinstance(signed, bytes)
    return signed


@pytest.mark.parametrize(
    ("header", "is_strange"),
    [
        (["From: x@far.example", VERIFIED.format("none")], True),
        (["From: x@far.example", VERIFIED.format("pass")], True),
        (["From: alice@example.org", VERIFIED.format("fail")], True),
        (["X-Sieve: Pigeonhole Sieve", SENT_ON, "From: x@far.example"], True),
        # Her own, by way of another server, too; or with another's in it.
        (["From: alice@example.org", VERIFIED.format("pass")], False),
        (["From: alice@example.org", "Received: from x by y"], False),
        (["From: alice@example.org", "", VERIFIED.format("none")], False),
        (["From: alice@example.org", VERIFIED.format("fail").replace("mail.", "mx.")], False),
    ],
)
def test_a_strangers_letter_that_comes_back_is_not_taken_for_mail_from_here(
    signer: Signer, header: list[str], is_strange: bool
) -> None:
    """He has written alice's address into MAIL; a bounce of what she has written is never junk."""
    signer.authserv_id = "mail.example.org"
    raw = returning(*header)
    assert returned_to(signer, raw).startswith(FACTS) == is_strange
    assert FACTS not in returned_to(signer, raw, "x@far.example")
    assert FACTS not in returned_to(signer, returning(first="\r\n".join(["", *header, ""])))
    rejected = MARK + b"Message-ID: <1@mail.example.org>\r\n" + REJECTED
    raw = raw.replace(b"From: ", rejected + b"From: ", 1).replace(OWN.encode() + b"\r\n", b"")
    assert returned_to(signer, RECEIVED + raw).startswith(FACTS) == is_strange


# -- what Sieve scripts send ---------------------------------------------------------------------

MARK = b"X-Signpost-Account: alice@example.org\r\n"
DAEMON = "MAILER-DAEMON@mail.example.org"
REJECTED = b"Auto-Submitted: auto-replied (rejected)\r\n"
HTML = b"Content-Type: text/html\r\n"
RECEIVED = b"Received: by smtpd\r\n"
SIEVE = b"X-Sieve: Pigeonhole Sieve\r\n"
# smtpd's own field and ours stand on top of what Pigeonhole writes.
REDIRECT = RECEIVED + MARK + SIEVE + b"X-Sieve-Redirected-From: alice@example.org\r\n"


def vacation(author: str, script: bytes = HTML, before: bytes = b"") -> bytes:
    """As cmd-vacation.c composes it; `before` stands where the incoming mail's References do."""
    return (
        RECEIVED
        + MARK
        + SIEVE
        + b"Message-ID: <1@mail.example.org>\r\nDate: Wed, 25 Nov 2026 04:00:00 +0000\r\n"
        + f"From: {author}\r\n".encode()
        + b"To: <x@far.example>\r\nSubject: Away\r\n"
        + before
        + b"Auto-Submitted: auto-replied (vacation)\r\nPrecedence: bulk\r\n"
        + b"X-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n"
        + script
        + b"\r\nhello\r\n"
    )


def rejection(author: str = DAEMON) -> bytes:
    """As Dovecot's mail-send.c composes it."""
    return (
        RECEIVED
        + MARK
        + b"Message-ID: <1@mail.example.org>\r\nDate: Wed, 25 Nov 2026 04:00:00 +0000\r\n"
        + f"From: Postmaster <{author}>\r\n".encode()
        + b"To: <x@far.example>\r\nMIME-Version: 1.0\r\n"
        + HTML
        + b"Subject: Rejected: x\r\n"
        + REJECTED
        + b"Precedence: bulk\r\n\r\nhello\r\n"
    )


def sent(signer: Signer, ring: KeyRing, raw: bytes) -> bytes:
    """What leaves, signed, without its signatures."""
    result = signer.sign(session(None), raw)
    assert isinstance(result, bytes)
    assert {result for _, _, result in signatures(result, ring)} == {"pass"}
    return result[result.index(RECEIVED) :]


@pytest.mark.parametrize("author", ["alice@example.org", "info@example.org", "Alice@example.org"])
def test_a_script_answers_in_its_accounts_name(signer: Signer, ring: KeyRing, author: str) -> None:
    for script in (HTML, HTML + b"Content-Language: en\r\n", b""):
        raw = vacation(author, script)
        assert sent(signer, ring, raw) == raw.replace(MARK, b"")


# More that a script writes to pass for something else.
DISGUISES = (
    HTML,
    b"Received: x\r\n",
    b"Received: x\r\nRECEIVED: y\r\nreceived : z\r\n",
    REJECTED,
    SIEVE + b"X-Sieve-Redirected-From: alice@example.org\r\n",
    b"X-Signpost-Account: bob@example.net\r\nFrom: alice@example.org\r\n",
)


@pytest.mark.parametrize(
    "author",
    [
        "bob@example.net",
        "ceo@far.example",
        "alice@example.org, bob@example.net",
        "alice@example.org, bob@example.org",
        "alice@example.org <bob@example.net>",
        "",
        DAEMON,
        f"Mailer-Daemon <{DAEMON.lower()}>",
        f"{DAEMON}, alice@example.org",
        "mailer-daemon@far.example",
        "mailer-daemon@example.org",
        "mailer-daemon@mail.example.org.far.example",
    ],
)
def test_a_script_answers_in_nobody_elses(signer: Signer, author: str) -> None:
    for script in DISGUISES:
        result = signer.sign(session(None), vacation(author, script))
        assert isinstance(result, Reject), script
        assert result.code == 550


def test_a_script_is_no_daemon_where_all_other_names_are_its_accounts(
    ring: KeyRing, tmp_path: Path
) -> None:
    book = {"domains": ["mail.example.org"], "owners": {"@mail.example.org": ["alice@example.org"]}}
    (tmp_path / "addresses.json").write_text(json.dumps(book))
    signer = Signer(ring, AddressFile(tmp_path / "addresses.json"), required=False)
    assert isinstance(signer.sign(session(None), vacation("x@mail.example.org")), bytes)
    assert isinstance(signer.sign(session(None), vacation(DAEMON)), Reject)
    assert isinstance(signer.sign(session(None), rejection()), bytes)


@pytest.mark.parametrize(
    "script",
    [
        b"From: bob@example.net\r\n",
        b"FROM : bob@example.net\r\nReceived: x\r\n",
        b"from\r\n : bob@example.net\r\n",
        b"Sender: bob@example.net\r\nReply-To: bob@example.net\r\nResent-From: bob@example.net\r\n",
        b"Authentication-Results: mail.example.org;\r\n dmarc=pass\r\n",
        b"AUTHENTICATION-RESULTS\t: mail.example.org; dmarc=pass\r\nARC-Seal: i=1\r\n",
        b"X-Signpost-Account: bob@example.net\r\nx-signpost-other: y\r\nX-Spam: no\r\n",
        b"DKIM-Signature: v=1\r\nReturn-Path: <bob@example.net>\r\nReceived: x\r\n",
        b"Auto-Submitted: no\r\nSubject: other\r\nTo: y@far.example\r\nMIME-Version: 1.0\r\n",
        b"no field\r\n",
        b"X: y\r\n" * 10_000 + b"From: bob@example.net\r\n",
    ],
)
def test_an_answer_has_what_pigeonhole_writes_and_a_mime_header(
    signer: Signer, ring: KeyRing, script: bytes
) -> None:
    for text in (HTML + script, script + HTML):
        left = sent(signer, ring, vacation("alice@example.org", text))
        expected = vacation("alice@example.org").replace(MARK, b"")
        # Behind ten thousand fields nothing more is looked at.
        assert left in {expected, expected.replace(HTML, b"")}
        assert left == expected or len(text) > 10_000


def test_a_bare_cr_of_a_script_begins_no_field(signer: Signer, ring: KeyRing) -> None:
    text = HTML + b"Content-Language: en\rFrom: bob@example.net\r\n"
    left = sent(signer, ring, vacation("alice@example.org", text))
    space = text.replace(b"en\r", b"en ")
    assert left == vacation("alice@example.org", space).replace(MARK, b"")


def test_what_the_incoming_mail_has_folded_into_it_is_no_field(signer: Signer) -> None:
    before = b"References: <a@b.example>\r\n\t" + REJECTED + b"\tX-Sieve-Redirected-From: x\r\n"
    assert isinstance(signer.sign(session(None), vacation(DAEMON, before=before)), Reject)
    # Were it one, an answer would begin with X-Sieve all the same.
    assert isinstance(signer.sign(session(None), vacation(DAEMON, before=REJECTED)), Reject)


def test_a_rejection_is_the_servers_alone(signer: Signer, ring: KeyRing) -> None:
    raw = rejection()
    assert sent(signer, ring, raw) == raw.replace(MARK, b"")
    assert isinstance(signer.sign(session(None), rejection("mailer-daemon@far.example")), Reject)
    assert isinstance(signer.sign(session(None), rejection(f"{DAEMON}>, <x@far.example")), Reject)
    # Without the field that Dovecot writes it is none.
    assert isinstance(signer.sign(session(None), raw.replace(REJECTED, b"")), Reject)
    # Nor from anybody without an account.
    assert isinstance(signer.sign(session(None), raw.replace(b"alice@", b"nobody@")), Reject)


@pytest.mark.parametrize("author", ["bob@example.net", "alice@example.org", "ceo@far.example"])
def test_what_a_script_redirects_is_not_signed_and_leaves_as_it_came(
    signer: Signer, author: str
) -> None:
    for more in (b"", b"Received: a\r\nReceived: b\r\n", REJECTED, MARK):
        strange = b"X-Signpost-Account: x@far.example\r\n" + more + message(author)
        result = signer.sign(session(None), REDIRECT + strange)
        assert result == REDIRECT.replace(MARK, b"") + strange


@pytest.mark.parametrize(
    ("account", "whose"),
    [
        ("alice@example.org", "alice@example.org"),
        ("x msgid=0 y", '"x msgid=0 y"'),
        ('"@\x1b[31m', '"\\"@\\x1b[31m"'),
    ],
)
def test_what_a_script_redirects_has_a_line(
    ring: KeyRing, caplog: pytest.LogCaptureFixture, account: str, whose: str
) -> None:
    """Without an address file the account may be any text."""
    caplog.set_level(logging.INFO)
    sent = REDIRECT.replace(b"alice@example.org", account.encode()) + message("bob@x.test", *DATED)
    Signer(ring, None, required=False).sign(session(None), sent)
    assert sent_lines(caplog) == [
        f'session=s msgid=- login={whose} script=redirect from="" message-id="<1@client.example>"'
    ]


OURS = "Authentication-Results: mail.example.org; "


@pytest.mark.parametrize(
    ("results", "author", "leaves"),
    [
        (f"{OURS}spf=fail smtp.mailfrom=x.example; dmarc=fail", "bob@example.org", False),
        (f"{OURS}dmarc=fail (p=none) header.from=example.org", "bob@sub.example.org", False),
        (f"{OURS}dmarc=fail", "bob@EXAMPLE.ORG", False),
        (f"{OURS}dmarc=temperror", "bob@example.org", False),
        (f"{OURS}dmarc=permerror", "a@far.example, b@other.example", False),
        (f"{OURS}dmarc=fail", "alice@example.org", False),
        (f"{OURS}dmarc=fail", "bob@other.test", True),
        (f"{OURS}dmarc=pass", "bob@example.org", True),
        (f"{OURS}dmarc=none", "bob@example.org", True),
        (f"{OURS}spf=fail smtp.mailfrom=x.example", "bob@example.org", True),
        ("Authentication-Results: mx.far.example; dmarc=fail", "bob@example.org", True),
        (
            f"Authentication-Results: mx.far.example; dmarc=pass\r\n{OURS}dmarc=fail",
            "bob@example.org",
            False,
        ),
        (f"{OURS}dmarc=fail\r\n{OURS}dmarc=pass", "bob@example.org", False),
    ],
)
def test_no_redirect_passes_dmarc_by_its_sender_alone(
    signer: Signer, results: str, author: str, leaves: bool
) -> None:
    raw = REDIRECT + f"{results}\r\n".encode() + message(author)
    result = signer.sign(session(None), raw)
    if leaves:
        assert result == raw.replace(MARK, b"")
    else:
        assert isinstance(result, Reject)
        assert result.code == 550


def test_nobody_without_an_account_redirects(signer: Signer) -> None:
    for account in (b"", b"nobody@example.org", b"\xff"):
        raw = REDIRECT.replace(b"alice@example.org", account, 1) + message("bob@example.net")
        result = signer.sign(session(None), raw)
        assert isinstance(result, Reject), account
        assert result.code == 550


def test_a_client_with_a_login_cannot_choose_another(signer: Signer) -> None:
    mark = b"X-Signpost-Account: bob@example.net\r\n"
    result = signer.sign(session(), mark + message("alice@example.org"))
    assert isinstance(result, bytes)
    assert mark in result
    assert isinstance(signer.sign(session(), mark + message("bob@example.net")), Reject)
    # Nor leave unsigned, or as anybody, what it calls redirected or rejected.
    assert isinstance(signer.sign(session(), REDIRECT + message("bob@example.net")), Reject)
    assert isinstance(signer.sign(session(), rejection()), Reject)


def test_the_mark_on_top_counts(signer: Signer) -> None:
    other = b"X-Signpost-Account: bob@example.net\r\n"
    raw = vacation("bob@example.net").replace(MARK, MARK + other)
    assert isinstance(signer.sign(session(None), raw), Reject)


@pytest.mark.parametrize("account", [b"", b" \xff"])
def test_a_mark_that_names_nobody_lets_nobody_write(signer: Signer, account: bytes) -> None:
    mark = b"X-Signpost-Account:" + account + b"\r\n"
    result = signer.sign(session(None), vacation("alice@example.org").replace(MARK, mark))
    assert isinstance(result, Reject)


@pytest.mark.parametrize("user", ["alice@example.org", None])
@pytest.mark.parametrize(
    "forged",
    [
        "Authentication-Results: example.org; dmarc=pass",
        "AUTHENTICATION-RESULTS : (x) Example.Org 1; dmarc=pass",
        "Authentication-Results:\r\n example.org;\r\n\tdmarc=pass",
        "Authentication-Results: example.org\r; dmarc=pass",
        "Authentication-Results\r: example.org; dmarc=pass",
        "Received-SPF: pass (example.org: fine) receiver=example.org",
    ],
)
def test_results_in_our_name_do_not_leave(
    signer: Signer, ring: KeyRing, user: str | None, forged: str
) -> None:
    """RFC 8601 §5; those of others are none of our business."""
    handshake = Handshake()
    handshake.config["admd"] = "example.org"
    signer.ready(handshake)
    others = "Authentication-Results: other.example; dmarc=pass"
    signed = signer.sign(session(user), message("alice@example.org", forged, others, forged))
    assert isinstance(signed, bytes)
    assert signed.endswith(message("alice@example.org", others))
    # What nobody has logged in for is not signed.
    expected = ["pass", "pass"] if user else []
    assert [result for *_, result in signatures(signed, ring)] == expected


@pytest.mark.parametrize("user", ["alice@example.org", None])
def test_each_bare_cr_leaves_as_a_space(signer: Signer, ring: KeyRing, user: str | None) -> None:
    came = message("Al\rice <alice@example.org>", "X: y\rFrom: z@far.example", "Y: \r\r")
    came += b".\r\r\n\r\r\n\ra\xff\r\r\r\n"
    signed = signer.sign(session(user), came)
    assert isinstance(signed, bytes)
    left = message("Al ice <alice@example.org>", "X: y From: z@far.example", "Y:   ")
    assert signed.endswith(left + b". \r\n \r\n a\xff  \r\n")
    expected = ["pass", "pass"] if user else []
    assert [result for *_, result in signatures(signed, ring)] == expected


def test_the_author_is_read_as_it_leaves(signer: Signer) -> None:
    """A line that begins with a CR is folded then: what a login may not write, it may not so."""
    refused = signer.sign(session(), message("alice@example.org\r\n\r, ceo@example.org"))
    assert isinstance(refused, Reject)
    assert "ceo@example.org" in refused.text


@pytest.mark.parametrize("present", [(), DATED[:1], DATED[1:], DATED])
def test_what_a_client_has_left_out_is_added_and_signed(
    signer: Signer, ring: KeyRing, present: tuple[str, ...]
) -> None:
    """RFC 6409 §8.2, §8.3."""
    signed = signer.sign(session(), message("alice@example.org", *present))
    assert isinstance(signed, bytes)
    assert [result for *_, result in signatures(signed, ring)] == ["pass", "pass"]
    left = Message(signed)
    for name, written in ((b"date", DATED[0]), (b"message-id", DATED[1])):
        (field,) = left.named(name)
        assert (field.raw.decode() == f"{written}\r\n") == (written in present)
        signature = left.named(b"dkim-signature")[0].value.replace(b"\r\n", b"").lower()
        assert name in re.sub(rb"\s", b"", signature).split(b";h=")[1].split(b";")[0].split(b":")
    if not present:
        moment = email.utils.parsedate_to_datetime(left.named(b"date")[0].value.decode())
        assert abs(moment.timestamp() - time.time()) < 60
        assert left.named(b"message-id")[0].value.endswith(b"@mail.example.org>\r\n")
