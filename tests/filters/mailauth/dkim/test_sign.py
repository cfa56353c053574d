"""The fields that we write are, byte for byte, those that dkimpy alone would write."""

import base64
import time
from email.parser import BytesParser

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from filters.mailauth.dkim.canonical import BLOCK, Relaxed, relaxed_body_digest
from filters.mailauth.dkim.layout import layout
from filters.mailauth.dkim.sign import sign
from filters.mailauth.dkim.signing_key import load_signing_key
from filters.mailauth.message import Message
from tests.filters.mailauth.crafting import canonical_body, pem, rsa_key

RSA = {bits: pem(rsa_key(bits)) for bits in (1024, 1032, 2048)}
PLAIN = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: s\r\n\r\nbody\r\n"
MESSAGES = {
    "plain": PLAIN,
    "folded, tabs, 8 bit": b"Subject: a\r\n\t\tb  c \xe9 \r\nReferences:\r\n <1@x>\r\n <2@x>\r\n"
    + PLAIN,
    "fields twice and thrice": b"To: c@example.net\r\nReferences: x\r\nReferences: y\r\n" * 2
    + PLAIN,
    "more of one than are signed": b"References: x\r\n" * 25 + PLAIN,
    "fields that are not signed": b"Received: by x\r\nX-Mailer: y\r\nBcc: z@example.net\r\n"
    + PLAIN,
    "white space in the body": PLAIN + b"a  b\t \r\n \r\n\r\n  c\r\n\r\n\r\n",
    "no body": PLAIN.partition(b"body")[0],
    "a list's": b"List-Id: <l.example.org>\r\nList-Unsubscribe: <mailto:u@example.org>\r\n" + PLAIN,
}


def of_dkimpy(message: bytes, domain: str, selector: str, key: bytes, names: list[bytes]) -> bytes:
    signer = dkim.DKIM(message)
    field: bytes = signer.sign(
        selector.encode(),
        domain.encode(),
        key,
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=names,
    )
    return field


def signed_names(field: bytes) -> list[bytes]:
    value = BytesParser().parsebytes(field)["DKIM-Signature"].encode()
    tags = dict(tag.strip().split(b"=", 1) for tag in value.split(b";"))
    return [name.strip() for name in tags[b"h"].split(b":")]


@pytest.fixture(autouse=True)
def _at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_785_000_000.5)


@pytest.mark.parametrize("name", MESSAGES)
def test_dkimpy_would_write_the_same(name: str) -> None:
    message = MESSAGES[name]
    field = sign(Message(message), [load_signing_key("example.org", "mail", RSA[2048])])
    assert field == of_dkimpy(message, "example.org", "mail", RSA[2048], signed_names(field))


@pytest.mark.parametrize("bits", RSA)
@pytest.mark.parametrize(
    ("domain", "selector"),
    [("a.bc", "s"), (".".join(["x" * 50] * 4), "mail"), ("example.org", "y" * 60), ("v.b", "b")],
    ids=["short", "a domain longer than a line", "a long selector", "tags' names"],
)
def test_it_folds_as_dkimpy_does(domain: str, selector: str, bits: int) -> None:
    field = sign(Message(PLAIN), [load_signing_key(domain, selector, RSA[bits])])
    assert field == of_dkimpy(PLAIN, domain, selector, RSA[bits], signed_names(field))


def test_of_an_ed25519_key_too() -> None:
    # dkimpy itself needs PyNaCl for it: the signature in its folds, and over what dkimpy hashes.
    private = Ed25519PrivateKey.generate()
    key = load_signing_key("example.org", "ed", pem(private))
    field = sign(Message(PLAIN), [key])
    form = layout(key.algorithm, key.domain, key.selector, tuple(signed_names(field)), 64)
    body_hash = base64.b64encode(relaxed_body_digest(b"body\r\n", 0))
    signature = b"".join(field.split(b" b=")[1].split())
    assert len(base64.b64decode(signature, validate=True)) == 64
    assert field == form.field(b"1785000000", body_hash, signature)


def test_what_it_learns_is_not_another_keys_or_another_moments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = [load_signing_key("example.org", name, RSA[1024]) for name in ("one", "two")]
    for moment in (1_785_000_000, 1_785_000_001):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        for message in (PLAIN, PLAIN + b"more\r\n"):
            fields = sign(Message(message), keys)
            expected = b"".join(
                of_dkimpy(message, key.domain, key.selector, RSA[1024], signed_names(fields))
                for key in keys
            )
            assert fields == expected


def test_white_space_longer_than_a_block() -> None:
    for run in (b" " * 5 * BLOCK, b"\t " * 5 * BLOCK, b" " * (5 * BLOCK + 1)):
        assert Relaxed.canonicalize_headers([(b"A", run + b"x" + run + b"y" + run + b"\r\n")]) == [
            (b"a", b"x y\r\n")
        ]


@given(
    st.lists(st.sampled_from([b" ", b"  ", b"\t", b"x", b"\r\n", b"\r"]), max_size=20),
    st.integers(0, 3),
)
def test_a_body_across_blocks_is_that_of_the_naive_algorithm(
    pieces: list[bytes], blocks: int
) -> None:
    body = b"line\r\n" * (blocks * BLOCK // 6) + b"".join(pieces) * 2
    assert Relaxed.canonicalize_body(body) == canonical_body(body, "relaxed")
