"""Signing with DKIM (RFC 6376, RFC 8463) and the record that goes with a key.

dkimpy writes the field (signature_layout.py); OpenSSL computes the signature. It must not know
how a key was chosen for a message, nor where keys are stored.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
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

from filters.mailauth.dkim.canonical import relaxed_body_digest, relaxed_field
from filters.mailauth.message import Message
from filters.mailauth.names import ldh

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]
_Private = RSAPrivateKey | Ed25519PrivateKey
_PADDING, _DIGESTED = PKCS1v15(), Prehashed(SHA256())

# Signed once more than they occur, so that nobody can add one (RFC 6376 §8.15).
_OVERSIGNED = (b"from", b"to", b"cc", b"subject", b"reply-to")
# Signed as often as they occur: what makes the message, and what a list adds later may be added.
_SIGNED = (
    b"date",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"content-id",
    b"content-description",
    b"in-reply-to",
    b"references",
    b"sender",
    b"resent-date",
    b"resent-from",
    b"resent-sender",
    b"resent-to",
    b"resent-cc",
    b"resent-message-id",
    b"list-id",
    b"list-help",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-subscribe",
    b"list-post",
    b"list-owner",
    b"list-archive",
    b"auto-submitted",
)
# A message may repeat a field a thousand times; its h= need not.
_MOST_OF_ONE_FIELD = 20
# Bytes; what the fields of longer headers are signed by is not remembered.
_LONGEST_KNOWN_HEADER = 16_384


class BadKey(ValueError):  # noqa: N818 - it is what one says
    """A key that cannot sign; the text says where, which rule and the cure, and no key material."""


@dataclass(frozen=True)
class SigningKey:
    """A private key and the name that its record is found under: selector._domainkey.domain."""

    domain: str
    selector: str
    algorithm: Algorithm
    private: _Private


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


def sign(message: Message, keys: Sequence[SigningKey]) -> bytes:
    """Return one DKIM-Signature field a key, folded and ended by CRLF, to put in front.

    relaxed/relaxed. Raises ValueError for a message without a From field (RFC 6376 §5.4).
    """
    names, places = _plan(message)
    covered = [message.fields[place] for place in places]
    digest = hashlib.sha256(b"".join([relaxed_field(one.key, one.value) for one in covered]))
    body_hash = base64.b64encode(relaxed_body_digest(message.raw, message.body_start))
    moment = b"%d" % int(time.time())
    # dkimpy, and DNS with it: only who signs has them in memory.
    from filters.mailauth.dkim.layout import layout

    fields = []
    for key in keys:
        form = layout(key.algorithm, key.domain, key.selector, names, _size(key.private))
        whole = digest.copy()
        whole.update(form.to_hash(moment, body_hash))
        signature = base64.b64encode(_signature(key.private, whole.digest()))
        fields.append(form.field(moment, body_hash, signature))
    return b"".join(fields)


def signed_names(message: Message) -> list[bytes]:
    """Return what h= lists for this message, in lower case and in order."""
    return list(_plan(message)[0])


def _plan(message: Message) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """Return what h= lists, and the places of the fields that it covers, in that order."""
    keys = tuple([field.key for field in message.fields])
    return _known_plan(keys) if message.body_start <= _LONGEST_KNOWN_HEADER else _plan_of(keys)


def _plan_of(keys: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    found: dict[bytes, list[int]] = {}
    for place, key in enumerate(keys):
        found.setdefault(key, []).append(place)
    names = tuple(_names(found))
    # The lowest field of a name first (RFC 6376 §5.4.2); a name too many adds nothing.
    return names, tuple([found[name].pop() for name in names if found.get(name)])


# A mail program gives all its messages the same fields.
_known_plan = lru_cache(maxsize=256)(_plan_of)


def _names(found: Mapping[bytes, Sequence[int]]) -> list[bytes]:
    if b"from" not in found:
        raise ValueError("a message without a From field cannot be signed")
    names: list[bytes] = []
    for name in _OVERSIGNED:
        names += [name] * (min(len(found.get(name, ())), _MOST_OF_ONE_FIELD) + 1)
    for name in _SIGNED:
        if name in found:
            names += [name] * min(len(found[name]), _MOST_OF_ONE_FIELD)
    return names


def _size(private: _Private) -> int:
    return 64 if isinstance(private, Ed25519PrivateKey) else (private.key_size + 7) // 8


def _signature(private: _Private, digest: bytes) -> bytes:
    if isinstance(private, Ed25519PrivateKey):
        return private.sign(digest)
    return private.sign(digest, _PADDING, _DIGESTED)


class Adapter:
    """What dkimpy takes for an Ed25519 key: sign(digest).signature."""

    def __init__(self, private: _Private) -> None:
        self._private = private
        self.signature = b""

    def sign(self, digest: bytes) -> Adapter:
        """Sign a digest; dkimpy reads `signature` of what it gets back."""
        self.signature = _signature(self._private, digest)
        return self
