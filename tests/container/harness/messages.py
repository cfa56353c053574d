"""Messages and keys that the tests send. Knows no container."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .shell import fresh


def letter(
    author: str = "Someone <someone@outside.test>",
    *,
    to: str = "alice@example.org",
    subject: bytes = b"Hello",
    fields: Sequence[bytes] = (),
    body: bytes = b"Hello.\r\n",
    token: str = "",
) -> bytes:
    """A message, lines ending in CRLF: `fields` first, then the usual ones.

    `token` is a word to find it again by; it stands in the Message-ID.
    """
    head = [
        *fields,
        b"From: " + author.encode(),
        b"To: " + to.encode(),
        b"Subject: " + subject,
        b"Date: Wed, 25 Nov 2026 04:00:00 +0000",
        b"Message-ID: <" + (token or fresh("letter")).encode() + b"@tests.invalid>",
    ]
    return b"\r\n".join([*head, b"", body])


def key_pair() -> tuple[bytes, str]:
    """A new RSA key: the private one as PEM, the record as zone file strings."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
    return private, " ".join(f'"{record[i : i + 250]}"' for i in range(0, len(record), 250))
