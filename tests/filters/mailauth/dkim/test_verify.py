"""Signing and verifying: keys, records, what is covered, and the bounds on work."""

import asyncio
import hashlib
import re
from collections.abc import Callable

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from filters.mailauth.dkim.canonical import Relaxed, Simple, relaxed_body_digest
from filters.mailauth.dkim.sign import sign
from filters.mailauth.dkim.signing_key import BadKey, SigningKey, load_signing_key, public_record
from filters.mailauth.dkim.verify import verify
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message
from filters.mailauth.results import DkimResult
from tests.filters.mailauth.crafting import canonical_body, craft, pem, record, rsa_key, rsa_record

RSA = rsa_key()
ED = Ed25519PrivateKey.generate()
KEYS = [
    load_signing_key("example.org", "r", pem(RSA)),
    load_signing_key("Example.ORG", "E", pem(ED)),
]
ZONE = {f"{key.selector}._domainkey.{key.domain}": {"TXT": [public_record(key)]} for key in KEYS}
HEADER = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: s\r\n"
MESSAGE = HEADER + b"\r\nbody\r\n"


def results(message: bytes, zone: object = ZONE) -> tuple[DkimResult, ...]:
    return asyncio.run(verify(Message(message), StaticResolver(zone)))  # type: ignore[arg-type]


def words(message: bytes, zone: object = ZONE) -> list[str]:
    return [result.result for result in results(message, zone)]


def test_one_signature_a_key_and_each_passes() -> None:
    signed = sign(Message(MESSAGE), KEYS) + MESSAGE
    found = [(r.result, r.domain, r.selector, r.algorithm) for r in results(signed)]
    assert found == [
        ("pass", "example.org", "r", "rsa-sha256"),
        ("pass", "example.org", "e", "ed25519-sha256"),
    ]


@given(
    st.lists(st.sampled_from([b"x", b" ", b"\t", b"\r\n", b"\r", b"\0", b"\xe9", b"."])),
    st.lists(st.sampled_from([b"w", b"  ", b"\t", b"\r\n ", b"\xff", b"\r"])),
    st.data(),
)
def test_what_is_signed_verifies_and_a_changed_byte_does_not(
    body: list[bytes], subject: list[bytes], data: st.DataObject
) -> None:
    header = b"From: a@example.org\r\nSubject: " + b"".join(subject) + b"x\r\n"
    message = header + b"\r\n" + b"".join(body) + b"end\r\n"
    fields = sign(Message(message), KEYS)
    assert words(fields + message) == ["pass", "pass"]
    at = data.draw(st.sampled_from([n for n, byte in enumerate(message) if byte in b"xwe."]))
    changed = message[:at] + b"q" + message[at + 1 :]
    assert "pass" not in words(fields + changed)


@given(
    st.lists(st.sampled_from(["Subject", "subject", "X", "To"]), max_size=6),
    st.lists(st.sampled_from(["subject", "x", "TO", "cc"]), max_size=6),
    st.sampled_from(["simple/simple", "relaxed/simple"]),
)
def test_fields_are_selected_from_the_bottom_up(
    present: list[str], names: list[str], canonicalisation: str
) -> None:
    """A name may stand in h= more and less often than in the message (RFC 6376 §5.4.2)."""
    header = "".join(f"{name}:  {at}\r\n" for at, name in enumerate(present))
    message = header.encode() + b"From: a@example.org\r\n\r\nbody\r\n"
    key = {"mail._domainkey.example.org": {"TXT": [record(ED)]}}
    field = craft(message, ED, names=["from", *names], tags={"c": canonicalisation})
    (found,) = results(field + message, key)
    assert found.result == "pass" or "an unsigned second" in found.reason


def test_dkimpy_itself_verifies_what_we_sign() -> None:
    record = public_record(KEYS[0]).encode()
    signed = sign(Message(MESSAGE), KEYS[:1]) + MESSAGE
    assert dkim.verify(signed, dnsfunc=lambda _name, timeout: record)
    assert not dkim.verify(signed + b"x", dnsfunc=lambda _name, timeout: record)


def test_a_record_with_a_bare_rsa_public_key_serves_too() -> None:
    numbers = RSA.public_key().public_numbers()
    zone = {"mail._domainkey.example.org": {"TXT": [rsa_record(numbers.n, numbers.e)]}}
    assert words(craft(MESSAGE, RSA) + MESSAGE, zone) == ["pass"]


@pytest.mark.parametrize("name", ["From", "To", "Cc", "Subject", "Reply-To"])
def test_nobody_can_add_what_is_oversigned(name: str) -> None:
    added = f"{name}: m@evil.example\r\n".encode()
    assert "pass" not in words(added + sign(Message(MESSAGE), KEYS) + MESSAGE)


@pytest.mark.parametrize("name", ["Bcc", "Return-Path", "Received", "X-Seen", "List-Id"])
def test_others_may_add_what_is_theirs(name: str) -> None:
    added = f"{name}: something\r\n".encode()
    assert words(added + sign(Message(MESSAGE), KEYS) + MESSAGE) == ["pass", "pass"]


def test_what_is_never_signed() -> None:
    message = b"Bcc: x@example.net\r\nReceived: by x\r\nReturn-Path: <a@b.c>\r\n" + MESSAGE
    field = re.sub(rb"\s", b"", sign(Message(message), KEYS[:1]))
    covered = field.split(b"h=")[1].split(b";")[0].split(b":")
    assert not {b"bcc", b"received", b"return-path"} & set(covered)
    assert covered.count(b"from") == 2


def test_lines_of_the_field_are_short_and_fold() -> None:
    lines = sign(Message(b"References: x\r\n" * 30 + MESSAGE), KEYS).split(b"\r\n")
    assert lines.pop() == b""
    assert max(map(len, lines)) <= 78
    assert all(line.startswith((b"DKIM-Signature: ", b" ")) for line in lines)


def test_no_from_no_signature() -> None:
    with pytest.raises(ValueError, match="without a From"):
        sign(Message(b"To: b@example.net\r\n\r\n"), KEYS)


def test_no_signatures_no_results() -> None:
    assert results(MESSAGE) == ()


def bad(text: str, make: Callable[[], bytes]) -> object:
    return pytest.param(make, text, id=text[:30])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        bad("no private key in PEM", lambda: b"secret nonsense"),
        bad("RSA and Ed25519 keys only", lambda: pem(ec_key(SECP256R1()))),  # type: ignore[arg-type]
        bad(
            "encrypted",
            lambda: RSA.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")
            ),
        ),
    ],
)
def test_a_bad_key_is_refused_with_where_and_cure(make: Callable[[], bytes], text: str) -> None:
    with pytest.raises(BadKey, match=text) as caught:
        load_signing_key("example.org", "s", make())
    assert "s._domainkey.example.org" in str(caught.value)
    assert "nonsense" not in str(caught.value)


def test_traditional_pem_loads_too() -> None:
    text = RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert isinstance(load_signing_key("example.org", "s", text), SigningKey)


def test_the_record_is_one_value_with_its_kind() -> None:
    assert public_record(KEYS[0]).startswith("v=DKIM1; k=rsa; p=MII")
    assert re.fullmatch(r"v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=", public_record(KEYS[1]))


bodies = st.lists(
    st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r", b"\n", b"\0", b"  \r\n"]), max_size=30
).map(b"".join)


@given(bodies)
def test_canonical_bodies_are_those_of_the_naive_algorithm(body: bytes) -> None:
    assert Relaxed.canonicalize_body(body) == canonical_body(body, "relaxed")
    assert Simple.canonicalize_body(body) == canonical_body(body, "simple")
    whole = hashlib.sha256(canonical_body(body, "relaxed")).digest()
    for block in (1, 3, 7, 1000):
        assert relaxed_body_digest(b"head\r\n\r\n" + body, 8, block=block) == whole


@given(st.binary(max_size=300), st.binary(max_size=100))
def test_nothing_but_results_leaves_the_verifier(value: bytes, key: bytes) -> None:
    zone = {"s._domainkey.example.org": {"TXT": [key.decode("utf-8", "surrogateescape")]}}
    good = craft(MESSAGE, RSA, tags={"s": "s"})
    assert "pass" not in words(b"DKIM-Signature: " + value + b"\r\n" + good + MESSAGE, zone)


def test_signature_b_is_unique_in_the_message() -> None:
    one = craft(MESSAGE, RSA, after={"b": "AAAAAAAAbbbb"})
    two = craft(MESSAGE, RSA, after={"b": "AAAAAAAAcccc"})
    found = results(one + two + craft(MESSAGE, RSA) + MESSAGE)
    assert len({result.signature_b for result in found}) == 3
    assert len(found[2].signature_b) == 8


@pytest.mark.parametrize(
    ("e", "n", "reason"),
    [
        (65_537, 2**8_200 - 2**8_000 - 1, "an RSA key of 8200 bits, not 1024 to 8192"),
        (2**2_047 + 1, 2**2_048 - 2**1_000 - 1, "an RSA key with an exponent of more than 32 bits"),
    ],
    ids=["modulus", "exponent"],
)
def test_keys_that_cost_too_much_are_refused(e: int, n: int, reason: str) -> None:
    zone = {"mail._domainkey.example.org": {"TXT": [rsa_record(n, e)]}}
    (found,) = results(craft(MESSAGE, RSA) + MESSAGE, zone)
    assert (found.result, found.reason) == ("permerror", reason)
