"""Signatures that no honest signer would make, written by RFC 6376 without the engine.

The canonicalisation here is the naive one of the RFC's text: slow, and a second opinion.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

Key = RSAPrivateKey | Ed25519PrivateKey

SIGNED = ("from", "to", "subject", "date")


def rsa_key(bits: int = 2048) -> RSAPrivateKey:
    return generate_private_key(65537, bits)


def pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_data(key: Key) -> bytes:
    public = key.public_key()
    if isinstance(key, Ed25519PrivateKey):
        return public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def record(key: Key, prefix: str = "v=DKIM1; ", suffix: str = "") -> str:
    kind = "ed25519" if isinstance(key, Ed25519PrivateKey) else "rsa"
    return f"{prefix}k={kind}; p={base64.b64encode(public_data(key)).decode()}{suffix}"


def rsa_record(modulus: int, exponent: int) -> str:
    """A key record with PKCS #1's RSAPublicKey, by hand: libraries refuse to hold such keys."""

    def der(tag: int, data: bytes) -> bytes:
        size = len(data)
        head = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
        return bytes([tag]) + head + data

    def integer(number: int) -> bytes:
        return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))

    sequence = der(0x30, integer(modulus) + integer(exponent))
    return "v=DKIM1; p=" + base64.b64encode(sequence).decode()


def relaxed_field(field: bytes) -> bytes:
    name, _colon, value = field.partition(b":")
    value = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.lower().rstrip(b" \t") + b":" + value + b"\r\n"


def canonical_body(body: bytes, algorithm: str) -> bytes:
    lines = body.split(b"\r\n")
    if lines[-1] == b"":
        lines.pop()
    if algorithm == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and lines[-1] == b"":
        lines.pop()
    if not lines:
        return b"" if algorithm == "relaxed" else b"\r\n"
    return b"".join(line + b"\r\n" for line in lines)


def fields_of(message: bytes) -> list[bytes]:
    head = message.partition(b"\r\n\r\n")[0] + b"\r\n"
    return [field + b"\r\n" for field in re.split(rb"\r\n(?![ \t])", head)[:-1]]


def craft(
    message: bytes,
    key: Key,
    *,
    name: str = "DKIM-Signature",
    names: Sequence[str] = SIGNED,
    tags: Mapping[str, str | None] | None = None,
    after: Mapping[str, str] | None = None,
) -> bytes:
    """Return a signature field. tags: written before signing (None leaves one out);
    after: replaced once the signature is made.
    """
    values: dict[str, str | None] = {
        "v": "1",
        "a": "ed25519-sha256" if isinstance(key, Ed25519PrivateKey) else "rsa-sha256",
        "c": "relaxed/relaxed",
        "d": "example.org",
        "s": "mail",
        "h": ":".join(names),
    }
    values |= tags or {}
    header_canon, _, body_canon = (values.get("c") or "simple/simple").lower().partition("/")
    body = canonical_body(message.partition(b"\r\n\r\n")[2], body_canon or "simple")
    if (values.get("l") or "").isdigit():
        body = body[: int(values["l"] or 0)]
    sha1 = (values["a"] or "").lower() == "rsa-sha1"
    digest = (hashlib.sha1 if sha1 else hashlib.sha256)(body).digest()
    values.setdefault("bh", base64.b64encode(digest).decode())
    values["b"] = ""
    bare = field(values, name)
    stack = fields_of(message)
    chosen = b""
    for wanted in names:
        for at in range(len(stack) - 1, -1, -1):
            if stack[at].partition(b":")[0].strip().lower() == wanted.lower().encode():
                found = stack.pop(at)
                chosen += relaxed_field(found) if header_canon == "relaxed" else found
                break
    own = relaxed_field(bare) if header_canon == "relaxed" else bare
    chosen += own.removesuffix(b"\r\n")
    values["b"] = signature(chosen, key, sha1=sha1)
    values |= after or {}
    return field(values, name)


def signature(data: bytes, key: Key, *, sha1: bool = False) -> str:
    """Return what stands in b=."""
    if isinstance(key, Ed25519PrivateKey):
        made = key.sign(hashlib.sha256(data).digest())
    else:
        made = key.sign(data, PKCS1v15(), SHA1() if sha1 else SHA256())
    return base64.b64encode(made).decode()


def field(values: Mapping[str, str | None], name: str = "DKIM-Signature") -> bytes:
    written = [f"{tag}={value}" for tag, value in values.items() if value is not None]
    return (f"{name}: " + ";\r\n\t".join(written) + "\r\n").encode("latin-1")
