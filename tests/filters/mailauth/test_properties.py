"""The engine's laws, whatever the bytes: what is signed verifies and nothing else does, nothing is
raised, and nobody can write in our field.

The oracle for what is signed is the naive canonicalisation of crafting.py.
"""

import asyncio
import logging
import re
from collections.abc import Iterator
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from filters.mailauth.auth_results import format_field, parse_field
from filters.mailauth.authenticate import Envelope, MessageResult, authenticate, stamp
from filters.mailauth.dkim.sign import sign
from filters.mailauth.dkim.signing_key import load_signing_key, public_record
from filters.mailauth.dkim.verify import verify
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message
from filters.mailauth.policy import decide
from tests.filters.mailauth.arc_crafting import add_set
from tests.filters.mailauth.crafting import (
    canonical_body,
    craft,
    fields_of,
    pem,
    record,
    relaxed_field,
    rsa_key,
)

ED = Ed25519PrivateKey.from_private_bytes(bytes(32))
RSA = rsa_key(1024)
KEYS = [
    load_signing_key("example.org", "rsa", pem(RSA)),
    load_signing_key("example.org", "ed", pem(ED)),
]
ZONE = {f"{key.selector}._domainkey.{key.domain}": {"TXT": [public_record(key)]} for key in KEYS}
ID = "mx.example.net"


# What smtpd hands us: a Received field of its own on top, lines that end in CRLF, no NUL and no
# bare LF; a line may hold and end in CR (smtpd-filters(7)).
WORDS = [
    b"w",
    b"Hello",
    b" ",
    b"  ",
    b"\t",
    b".",
    b":",
    b";",
    b"=",
    b"\r",
    b"\xe9",
    b"\xff\xfe",
    b"\x0b",
]
LINES = st.lists(st.sampled_from(WORDS), max_size=12).map(b"".join)
VALUES = st.lists(st.sampled_from([*WORDS, b"\r\n ", b"\r\n\t"]), max_size=12).map(b"".join)
NAMES = st.sampled_from(
    [b"To", b"Cc", b"CC", b"Subject", b"sUBJECT", b"Reply-To", b"Date", b"Message-ID",
     b"References", b"MIME-Version", b"Content-Type", b"List-Id", b"Sender", b"X-Any", b"Received",
     b"Bcc", b"DKIM-Signatures", b"Authentication-Results"]
)  # fmt: skip
FIELDS = st.lists(
    st.builds(lambda name, value: name + b":" + value + b"\r\n", NAMES, VALUES), max_size=8
)
FROM = st.sampled_from(
    [b"From: a@example.org\r\n", b"FROM:\r\n \"A. B\" \r\n\t<a@example.org>\r\n",
     b"from: \xe9 <a@example.org>, b@example.org\r\n"]
)  # fmt: skip
BODIES = st.lists(LINES, max_size=8).map(b"\r\n".join) | st.sampled_from(
    [b"", b"\r\n", b"\r\n" * 40]
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    fields = draw(FIELDS)
    fields.insert(draw(st.integers(0, len(fields))), draw(FROM))
    head = b"Received: from h (h [192.0.2.1])\r\n\tby mail.example.org\r\n" + b"".join(fields)
    return head + b"\r\n" + draw(BODIES) + draw(st.sampled_from([b"", b"\r\n"]))


def words(message: bytes) -> list[str]:
    return [r.result for r in asyncio.run(verify(Message(message), StaticResolver(ZONE)))]


@settings(max_examples=200)
@given(messages())
def test_what_is_signed_verifies(message: bytes) -> None:
    assert words(sign(Message(message), KEYS) + message) == ["pass", "pass"]


def covered(field: bytes, message: bytes) -> bytes:
    """What a relaxed/relaxed signature covers (RFC 6376 §3.7, §5.4.2), itself excepted."""
    names = relaxed_field(field).replace(b" ", b"").partition(b";h=")[2].partition(b";")[0]
    stack = fields_of(message)
    chosen = []
    for name in names.split(b":"):
        for at in range(len(stack) - 1, -1, -1):
            if stack[at].partition(b":")[0].strip().lower() == name:
                chosen.append(relaxed_field(stack.pop(at)))
                break
    body = canonical_body(message.partition(b"\r\n\r\n")[2], "relaxed")
    return b"".join(chosen) + b"\r\n" + body


@settings(max_examples=400)
@given(messages(), st.data())
def test_changing_what_is_signed_fails_it_and_changing_the_rest_does_not(
    message: bytes, data: st.DataObject
) -> None:
    ends = st.sampled_from([end.start() for end in re.finditer(rb"\r\n|:", message)])
    at = data.draw(ends | st.integers(0, len(message) - 1), "place")
    byte = data.draw(
        st.sampled_from([b"q", b" ", b"\t", b"\r", b"\n", b"", b"\r\n", b":", b"\xaa"])
    )
    instead = data.draw(st.booleans(), "replace")
    changed = message[:at] + byte + message[at + instead :]
    body = message.index(b"\r\n\r\n") + 4
    fields = sign(Message(message), KEYS)
    for key, field in zip(KEYS, fields_of(fields + b"\r\n"), strict=True):
        found = words(field + changed)[0]
        if covered(field, changed) != covered(field, message):
            assert found != "pass", key.algorithm
        elif at >= body:
            assert found == "pass", key.algorithm


@pytest.mark.parametrize("bare", [b"\r", b"\n"])
def test_a_bare_cr_or_lf_before_a_colon_is_no_white_space(bare: bytes) -> None:
    """RFC 6376 §3.4.2: WSP is SP and HTAB."""
    message = b"From: a@example.org\r\nTo: b@example.net\r\n\r\nbody\r\n"
    changed = message.replace(b"To:", b"To" + bare + b":")
    assert words(sign(Message(message), KEYS) + changed) == ["fail", "fail"]


SIGNED = b"From: a@example.org\r\nSubject: s\r\n\r\nbody\r\n"
SIGNATURE = craft(SIGNED, ED, names=("from", "subject"), tags={"s": "ed"}).replace(b"\r\n\t", b" ")


@settings(max_examples=300)
@given(st.integers(0, len(SIGNATURE) - 3), st.sampled_from(b"q7 =;:\xaa\r"))
def test_changing_the_signature_itself_fails_it(at: int, byte: int) -> None:
    changed = SIGNATURE[:at] + bytes([byte]) + SIGNATURE[at + 1 :]
    unfolded = relaxed_field(changed).replace(b" ", b"") != relaxed_field(SIGNATURE).replace(
        b" ", b""
    )
    assume(unfolded)
    # Base64 that ends in == has four bits that say nothing.
    assume(at < len(SIGNATURE) - 5)
    assert "pass" not in words(changed + SIGNED)


PLAIN = st.text(st.sampled_from("aB. :;=,"), max_size=30).map(lambda text: text.encode("ascii"))
FOLDED = st.lists(st.builds(lambda text: b"x" + text + b"x", PLAIN), min_size=1, max_size=3).map(
    b"\r\n\t ".join
)
PLAIN_LINES = st.lists(PLAIN, max_size=6).map(b"\r\n".join)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([b"Subject", b"To", b"Cc", b"X-Any"]), unique=True),
    FOLDED,
    PLAIN_LINES,
    st.sampled_from(["relaxed/relaxed", "simple/simple", "simple/relaxed", "relaxed/simple"]),
    st.sampled_from([None, "0"]),
    st.booleans(),
    st.integers(0, 10_000),
)
def test_dkimpy_comes_to_the_same(
    names: list[bytes],
    value: bytes,
    body: bytes,
    canon: str,
    length: str | None,
    altered: bool,
    at: int,
) -> None:
    """We hash by ourselves; on mail as it should be its verifier and ours agree."""
    fields = [b"From: a@example.org\r\n", *(name + b": " + value + b"\r\n" for name in names)]
    message = b"".join(fields) + b"\r\n" + body + b"\r\n"
    tags = {"c": canon, "s": "rsa", "a": "rsa-sha256", "l": length}
    covered_names = ["from", *(name.decode("ascii").lower() for name in names)]
    signature = craft(message, RSA, names=covered_names, tags=tags)
    if altered:
        at = len(fields[0]) + at % (len(message) - len(fields[0]))
        if message[at : at + 1] in b"\r\n: \t" or message[at - 1 : at] == b"\n":
            altered = False
        else:
            message = message[:at] + b"Z" + message[at + 1 :]
    record = public_record(KEYS[0]).encode()
    expected = dkim.verify(signature + message, dnsfunc=lambda _name, timeout: record)
    (found,) = asyncio.run(verify(Message(signature + message), StaticResolver(ZONE)))
    ours = found.result == "pass" or found.reason.startswith("l= leaves")
    assert ours == expected, found


# Pieces that meet in mail that nobody sends by accident.
BYTES = [b"\r\n", b"\r\n ", b"\r", b"\n", b"\0", b" ", b"\t", b"\xff", b"9" * 30, b"x" * 70]
PIECES = rb"""
: ; = ( ) " \ < > @ , [ =?utf-8?b? ?= % ..
v=1 a=rsa-sha256 a=ed25519-sha256 b= bh= AAAA d=example.org s=ed h= h=from i=1 i=@ l=9 t=1 x=1 q=
c=relaxed/ cv=none cv=pass cv=fail v=DKIM1 k=ed25519 p= p=reject np=none psd=y t=y v=DMARC1 rua=a:b
v=spf1 include: a: mx ptr exists:%{i} redirect= exp= ip4: 192.0.2.1 -all %{l1r-} /33 //999
example.org _spf.example.org a.b mx.example.net dkim=pass smtp.mailfrom=
""".split()
SOUP = st.lists(st.sampled_from(BYTES + PIECES), max_size=14).map(b"".join)
HOSTILE_NAMES = st.sampled_from(
    [b"From", b"From ", b"DKIM-Signature", b"ARC-Seal", b"ARC-Message-Signature",
     b"ARC-Authentication-Results", b"Authentication-Results", b"Received-SPF", b"Received", b"",
     b" ", b"\xff", b"Subject"]
)  # fmt: skip
SET = add_set(
    SIGNED, ED, tags={"d": "example.org", "s": "ed"}, seal_tags={"d": "example.org", "s": "ed"}
)
STARTS = st.sampled_from([b"", SIGNED, SIGNATURE + SIGNED, SET, b"From: a@example.org\r\n"])
HOSTILE = st.builds(
    lambda fields, start, rest: b"".join(fields) + start + rest,
    st.lists(st.builds(lambda n, v: n + b":" + v + b"\r\n", HOSTILE_NAMES, SOUP), max_size=5),
    STARTS,
    SOUP | st.binary(max_size=60),
)
TEXT = (SOUP | st.binary(max_size=40)).map(lambda data: data.decode("utf-8", "surrogateescape"))
HOSTS = st.sampled_from(["example.org", "a.example.org", "b.example.org", "1.2.0.192.in-addr.arpa"])
RECORDS = st.builds(
    lambda start, rest: start + rest,
    st.sampled_from(["", "v=spf1 ", "v=DMARC1;", "v=DKIM1;"]),
    TEXT,
)
NODES = st.sampled_from(["SERVFAIL", "TIMEOUT", "NODATA"]) | st.fixed_dictionaries(
    {},
    optional={
        "TXT": st.lists(RECORDS, max_size=3),
        "A": st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2"]) | TEXT, max_size=3),
        "AAAA": st.lists(st.just("2001:db8::1") | TEXT, max_size=2),
        "MX": st.lists(st.tuples(st.integers(0, 99), HOSTS | TEXT), max_size=3),
        "PTR": st.lists(HOSTS | TEXT, max_size=2),
        "CNAME": HOSTS | st.sampled_from(["SERVFAIL", "TIMEOUT"]),
    },
)
OWNERS = st.sampled_from(
    ["example.org", "_dmarc.example.org", "_dmarc.org", "ed._domainkey.example.org",
     "_spf.example.org", "a.b", "a.example.org", "192.0.2.1", "1.2.0.192.in-addr.arpa",
     "_dmarc.a.b"]
)  # fmt: skip
ZONES = st.dictionaries(OWNERS, NODES, max_size=6).map(lambda zone: {**ZONE, **zone})
ENVELOPES = st.builds(
    Envelope,
    st.sampled_from(["192.0.2.1", "2001:db8::1", None, "", "::ffff:192.0.2.1"]) | TEXT,
    st.just("a.example.org") | TEXT,
    st.sampled_from(["", "a@example.org"]) | TEXT,
    st.lists(st.sampled_from(["postmaster@x", "@", ""]) | TEXT, max_size=2).map(tuple),
    user=st.none() | TEXT,
    client_unknown=st.booleans(),
    client_name=st.none() | TEXT,
    reverse=st.none() | st.sampled_from(["pass", "fail", "error"]) | TEXT,
)

# RFC 8601 §2.7, and what §2.7.6 refers to.
RESULTS = {
    "auth": {"pass"},
    "iprev": {"pass", "fail", "temperror", "permerror"},
    "spf": {"none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror"},
    "dkim": {"none", "pass", "fail", "policy", "neutral", "temperror", "permerror"},
    "arc": {"pass", "fail"},
    "dmarc": {"none", "pass", "fail", "temperror", "permerror"},
}


class Errors(logging.Handler):
    """What the engine only survived: its last resort catches, and says so."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, line: logging.LogRecord) -> None:
        self.found.append(line.getMessage())


@pytest.fixture(scope="module")
def errors() -> Iterator[Errors]:
    handler, logger = Errors(), logging.getLogger("filters.mailauth")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def judge(message: bytes, envelope: Envelope, zone: dict[str, Any]) -> MessageResult:
    return asyncio.run(authenticate(message, envelope, StaticResolver(zone), now=1_700_000_000))


@settings(max_examples=400)
@given(HOSTILE, ENVELOPES, ZONES, st.sampled_from([ID, "mx example", 'm"x', "\xe9.example", ""]))
def test_nothing_is_raised_and_nothing_had_to_be_caught(
    errors: Errors, message: bytes, envelope: Envelope, zone: dict[str, Any], authserv_id: str
) -> None:
    errors.found.clear()
    verdict = judge(message, envelope, zone)
    for enforce in ("no", "quarantine", "yes"):
        decision = decide(
            verdict,
            envelope,
            enforce=enforce,
            trusted_sealers=frozenset({"example.org"}),  # type: ignore[arg-type]
        )
        stamp(message, verdict, authserv_id, disposition=decision.disposition)
        assert decision.disposition in {"none", "quarantine", "reject", "defer"}
    for result in verdict.results():
        assert result.result in RESULTS[result.method]
    assert errors.found == []


@settings(max_examples=300)
@given(HOSTILE, ENVELOPES)
@example(
    b" ; dkim=pass header.d=example.org\r\nFrom: a@example.org\r\n\r\n",
    Envelope("192.0.2.1", "h.example", ""),
)
def test_nobody_can_write_in_our_field_or_another_like_it(
    message: bytes, envelope: Envelope
) -> None:
    verdict = judge(message, envelope, ZONE)
    stamped = stamp(message, verdict, ID)
    first, *others = Message(stamped).fields
    assert first.raw == format_field(ID, verdict.results())
    for field in others:
        if field.key == b"authentication-results":
            parsed = parse_field(field.value)
            assert parsed is not None
            assert parsed.authserv_id.lower() != ID


@given(HOSTILE, ENVELOPES)
def test_stamping_twice_changes_nothing_more(message: bytes, envelope: Envelope) -> None:
    verdict = judge(message, envelope, ZONE)
    stamped = stamp(message, verdict, ID)
    assert stamp(stamped, verdict, ID) == stamped


def test_the_oracle_knows_a_good_signature() -> None:
    """Else nothing here could fail."""
    assert words(SIGNATURE + SIGNED) == ["pass"]
    assert record(ED) == public_record(KEYS[1])
