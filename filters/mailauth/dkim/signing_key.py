"""A key that signs, and the record by which its signatures are verified (RFC 6376, RFC 8463).

It must not know messages, nor where keys are stored.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from filters.mailauth.names import ldh

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]
_PADDING, _DIGESTED = PKCS1v15(), Prehashed(SHA256())


class BadKey(ValueError):  # noqa: N818 - it is what one says
    """A key that cannot sign; the text says where, which rule and the cure, and no key material."""


@dataclass(frozen=True)
class SigningKey:
    """A private key and the name that its record is found under: selector._domainkey.domain."""

    domain: str
    selector: str
    algorithm: Algorithm
    private: RSAPrivateKey | Ed25519PrivateKey

    @property
    def signature_size(self) -> int:
        """Bytes of each signature."""
        if isinstance(self.private, Ed25519PrivateKey):
            return 64
        return (self.private.key_size + 7) // 8

    def sign(self, digest: bytes) -> bytes:
        """Return the signature of a SHA-256 digest."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(digest)
        return self.private.sign(digest, _PADDING, _DIGESTED)


def load_signing_key(domain: str, selector: str, pem: bytes) -> SigningKey:
    """Read a private key in PEM, unencrypted: RSA of 1024 to 8192 bits (RFC 8301) or Ed25519.

    Load a key once and keep it: that costs far more than a signature. Raises BadKey.
    """
    where = f"DKIM key {selector}._domainkey.{domain}"
    clean_domain, clean_selector = ldh(domain), ldh(selector)
    if clean_domain is None or clean_selector is None:
        raise BadKey(f"{where!r}: domain and selector must be labels of letters, digits, hyphens")
    try:
        private = load_pem_private_key(pem, password=None)
    except TypeError:
        raise BadKey(f"{where}: the key is encrypted; store it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey(
            f"{where}: no private key in PEM; make one with `openssl genrsa 2048`"
        ) from None
    if isinstance(private, Ed25519PrivateKey):
        return SigningKey(clean_domain, clean_selector, "ed25519-sha256", private)
    if not isinstance(private, RSAPrivateKey):
        raise BadKey(f"{where}: DKIM knows RSA and Ed25519 keys only; make one of these")
    if not 1024 <= private.key_size <= 8192:
        raise BadKey(
            f"{where}: an RSA key must have 1024 to 8192 bits, this one has {private.key_size};"
            " make one with `openssl genrsa 2048`"
        )
    return SigningKey(clean_domain, clean_selector, "rsa-sha256", private)


def public_record(key: SigningKey) -> str:
    """Return the TXT record for the key as one unsplit value (RFC 6376 §3.6.1, RFC 8463 §4)."""
    public = key.private.public_key()
    if key.algorithm == "ed25519-sha256":
        data, kind = public.public_bytes(Encoding.Raw, PublicFormat.Raw), "ed25519"
    else:
        data, kind = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "rsa"
    return f"v=DKIM1; k={kind}; p={base64.b64encode(data).decode('ascii')}"
