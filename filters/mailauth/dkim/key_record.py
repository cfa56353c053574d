"""A DKIM key record and the check of a signature with it (RFC 6376 §3.6.1, RFC 8463, RFC 8301).

OpenSSL does the arithmetic. It must not know messages, nor where records come from.
"""

from __future__ import annotations

import base64
import binascii
import functools
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from filters.mailauth import tags

# An RSA key of 8192 bits takes 1,412 characters; what is longer is not even decoded.
_LONGEST_RECORD = 4_000

_PADDING, _HASH = PKCS1v15(), Prehashed(SHA256())


class KeyRecordError(Exception):
    """The record cannot serve the signature; the text says why, without any of its bytes."""


@dataclass(frozen=True)
class PublicKey:
    """A key that may check signatures. testing: t=y; strict: t=s, i= must be of d= exactly."""

    key: RSAPublicKey | Ed25519PublicKey
    testing: bool
    strict: bool

    def verifies(self, digest: bytes, signature: bytes) -> bool:
        """Say whether this is the signature of a SHA-256 digest."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, digest)
            else:
                self.key.verify(signature, digest, _PADDING, _HASH)
        except (InvalidSignature, ValueError):
            return False
        return True


def read_record(record: bytes, algorithm: str) -> PublicKey:
    """Read a key record for a signature of this a=. Raises KeyRecordError."""
    if len(record) > _LONGEST_RECORD:
        raise KeyRecordError("the key record is too long")
    return _read(record, algorithm)


@functools.lru_cache(maxsize=2_048)  # loading a key takes as long as a check with it
def _read(record: bytes, algorithm: str) -> PublicKey:
    try:
        found = tags.parse(record)
    except tags.TagListError as error:
        raise KeyRecordError(f"the key record is malformed: {error}") from None
    # §3.6.1: v= is optional, but if it is there it is DKIM1 and comes first.
    if "v" in found and (next(iter(found)) != "v" or found["v"] != b"DKIM1"):
        raise KeyRecordError("the key record is malformed: v= must come first and be DKIM1")
    if "h" in found and b"sha256" not in tags.items(found["h"]):
        raise KeyRecordError("the key record's h= does not allow sha256")
    if "s" in found and not {b"*", b"email"} & set(tags.items(found["s"])):
        raise KeyRecordError("the key record's s= does not allow e-mail")
    kind = found.get("k", b"rsa").lower()
    if kind != algorithm.partition("-")[0].encode("ascii"):
        raise KeyRecordError("the key record's k= is not the kind of key of the signature's a=")
    flags = tags.items(found.get("t", b""))
    return PublicKey(_load(found, kind), testing=b"y" in flags, strict=b"s" in flags)


def _load(found: dict[str, bytes], kind: bytes) -> RSAPublicKey | Ed25519PublicKey:
    encoded = tags.compact(found.get("p", b""))
    if not encoded:
        if "p" in found:
            raise KeyRecordError("the key is revoked")
        raise KeyRecordError("the key record has no p=")
    try:
        data = base64.b64decode(encoded, validate=True)
        if kind == b"ed25519":
            return Ed25519PublicKey.from_public_bytes(data)
        # Both SubjectPublicKeyInfo and RSAPublicKey are in use (RFC 6376 erratum 3017).
        key = load_der_public_key(data)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise KeyRecordError("the key record's p= is no key") from None
    if not isinstance(key, RSAPublicKey):
        raise KeyRecordError("the key record's p= is no RSA key")
    # RFC 8301 §3.2 for the lower bound; above the upper one a check costs seconds.
    if not 1024 <= key.key_size <= 8192:
        raise KeyRecordError(f"an RSA key of {key.key_size} bits, not 1024 to 8192")
    if key.public_numbers().e >= 2**32:
        raise KeyRecordError("an RSA key with an exponent of more than 32 bits")
    return key
