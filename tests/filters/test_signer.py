"""The submission filter's decisions: who may send as whom, what is signed and with which key."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from entrypoint.health.unsigned import check_unsigned
from filters.addresses import AddressFile
from filters.bare_addresses import add_domains
from filters.keyring import KeyRing, KeySpec
from filters.mailauth.dkim.sign import public_record
from filters.mailauth.dkim.verify import verify
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message
from filters.signer import Signer
from filters.smtpd import Reject, Request, Session
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


def test_a_message_without_from_is_refused(signer: Signer) -> None:
    verdict = signer.sign(session(), b"Subject: x\r\n\r\nhello\r\n")
    assert isinstance(verdict, Reject)
    assert verdict.code == 550


def test_the_local_socket_signs_bounces_and_never_what_has_travelled(
    signer: Signer, ring: KeyRing
) -> None:
    own = "Received: from localhost (mail.example.org [local]) by mail.example.org"
    bounce = signer.sign(session(None), message("MAILER-DAEMON@mail.example.org", own))
    assert isinstance(bounce, bytes)
    assert {domain for domain, _, _ in signatures(bounce, ring)} == {"example.org"}
    travelled = message("alice@example.org", own, "Received: from far.example by x")
    assert signer.sign(session(None), travelled) == travelled


def test_what_cannot_be_signed_is_loud_and_required_makes_it_wait(
    ring: KeyRing, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    class NoKey:
        """A key that fails when it is used."""

        domain, selector, algorithm = "example.org", "s1", "rsa-sha256"

    raw = message("alice@example.org")
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
    assert "2 message(s) from example.org" in told[0]
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
    raw = message("alice@example.org")
    assert silent.sign(session(), raw) == raw
    assert "there is no key" in caplog.text
    unsigned.finish()
    assert check_unsigned(time.time(), path, tmp_path.owner())
    # Forwarded or handed in by somebody who is not ours: nothing of ours is missing.
    assert silent.sign(session(None), message("x@far.example")) == message("x@far.example")
    unsigned.finish()
    assert "far.example" not in path.read_text()


# -- what Sieve scripts send ---------------------------------------------------------------------

MARK = b"X-Signpost-Account: alice@example.org\r\n"


@pytest.mark.parametrize(
    ("author", "sent"),
    [
        ("alice@example.org", True),
        ("info@example.org", True),
        ("MAILER-DAEMON@mail.example.org", True),
        ("bob@example.net", False),
        ("ceo@far.example", False),
        ("alice@example.org, bob@example.net", False),
    ],
)
def test_a_script_writes_in_its_accounts_name(
    signer: Signer, ring: KeyRing, author: str, sent: bool
) -> None:
    result = signer.sign(session(None), MARK + message(author, "Received: by smtpd"))
    if not sent:
        assert isinstance(result, Reject)
        assert result.code == 550
        return
    assert isinstance(result, bytes)
    assert result.endswith(message(author, "Received: by smtpd"))
    assert b"X-Signpost-Account" not in result
    assert {result for _, _, result in signatures(result, ring)} == {"pass"}


@pytest.mark.parametrize("author", ["bob@example.net", "alice@example.org", "ceo@far.example"])
def test_what_a_script_redirects_is_not_signed_and_keeps_its_own_marks(
    signer: Signer, author: str
) -> None:
    raw = b"X-Signpost-Account: x@far.example\r\n" + message(author, "Received: a", "Received: b")
    assert signer.sign(session(None), MARK + raw) == raw


def test_a_client_with_a_login_cannot_choose_another(signer: Signer) -> None:
    mark = b"X-Signpost-Account: bob@example.net\r\n"
    result = signer.sign(session(), mark + message("alice@example.org"))
    assert isinstance(result, bytes)
    assert mark in result
    assert isinstance(signer.sign(session(), mark + message("bob@example.net")), Reject)


def test_the_mark_on_top_counts(signer: Signer) -> None:
    raw = MARK + b"X-Signpost-Account: bob@example.net\r\n" + message("bob@example.net")
    assert isinstance(signer.sign(session(None), raw), Reject)


@pytest.mark.parametrize("mark", [b"X-Signpost-Account:\r\n", b"X-Signpost-Account: \xff\r\n"])
def test_a_mark_that_names_nobody_lets_nobody_write(signer: Signer, mark: bytes) -> None:
    result = signer.sign(session(None), mark + message("alice@example.org"))
    assert isinstance(result, Reject)
