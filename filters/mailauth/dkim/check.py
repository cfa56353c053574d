"""Whether a key made a signature over a message (RFC 6376 §6.1.3).

dkimpy hashes what we hand it, already selected and canonical; OpenSSL checks the signature. It must
not know DNS, nor which signatures are to be believed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import dkim

from filters.mailauth import tags
from filters.mailauth.dkim.canonical import ALGORITHMS
from filters.mailauth.dkim.key_record import PublicKey
from filters.mailauth.dkim.signature import Signature, SignatureError
from filters.mailauth.message import Field, Message

log = logging.getLogger("dkimpy")

# Above this size the hashing leaves the event loop.
_LARGE = 256 * 1024


class TestedError(SignatureError):
    """A failure under a key that says t=y."""

    __test__ = False  # no test, whatever pytest thinks of the name


class Work:
    """A message and its canonical forms, each computed once for all signatures."""

    def __init__(self, message: Message) -> None:
        self.message = message
        # One thread a message: the others would canonicalise the same body.
        self._lock = asyncio.Lock()
        self._places: dict[bytes, list[int]] = {}
        for place, field in enumerate(message.fields):
            self._places.setdefault(field.key, []).append(place)
        self._bodies: dict[bytes, bytes] = {}
        self._fields: dict[tuple[bytes, int], bytes] = {}

    def count(self, name: bytes) -> int:
        """Return how many fields have this name (lower case)."""
        return len(self._places.get(name, ()))

    def body(self, algorithm: bytes) -> bytes:
        """Return the canonical body."""
        if algorithm not in self._bodies:
            canonical = ALGORITHMS[algorithm].canonicalize_body(self.message.body)
            self._bodies[algorithm] = canonical
        return self._bodies[algorithm]

    def selected(self, names: Iterable[bytes], algorithm: bytes) -> bytes:
        """Return the canonical fields that h= names, each from the bottom up (§5.4.2)."""
        left: dict[bytes, list[int]] = {}
        chosen: list[bytes] = []
        for name in names:
            places = left.get(name)
            if places is None:
                places = left[name] = list(self._places.get(name, ()))
            if places:  # a name that occurs no more adds nothing
                chosen.append(self._field(places.pop(), algorithm))
        return b"".join(chosen)

    def _field(self, place: int, algorithm: bytes) -> bytes:
        canonical = self._fields.get((algorithm, place))
        if canonical is None:
            field = self.message.fields[place]
            canonical = b":".join(_canonical(field.name, field.value, algorithm))
            self._fields[algorithm, place] = canonical
        return canonical

    async def verify(
        self, field: Field, signature: Signature, keys: Sequence[PublicKey]
    ) -> PublicKey:
        """Check in a thread where the message is large: the event loop does not wait for it."""
        if len(self.message.raw) <= _LARGE:
            return self.check(field, signature, keys)
        async with self._lock:
            return await asyncio.to_thread(self.check, field, signature, keys)

    def check(self, field: Field, signature: Signature, keys: Iterable[PublicKey]) -> PublicKey:
        """Return the key that verifies the signature. Raises SignatureError."""
        body = self.body(signature.body_canon)
        if signature.length is not None and signature.length > len(body):
            raise SignatureError("permerror", "l= is more than there is of the body")
        value = tags.without_value(field.value, b"b")
        own = _canonical(field.name, value, signature.header_canon)
        verifier = _Verifier(self.selected(signature.names, signature.header_canon), body)
        last: SignatureError | None = None
        for key in keys:
            try:
                verifier.run(signature, own, key)
            except SignatureError as error:
                last = last or (TestedError(error.result, str(error)) if key.testing else error)
            else:
                return key
        raise last or SignatureError("permerror", "no key for the signature")


def _canonical(name: bytes, value: bytes, algorithm: bytes) -> tuple[bytes, bytes]:
    return ALGORITHMS[algorithm].canonicalize_headers([(name, value)])[0]


class _Adapter:
    """What dkimpy takes for an Ed25519 key: verify(digest, signature); it keeps the outcome.

    digest: instead of the one that dkimpy comes to, or None.
    """

    def __init__(self, key: PublicKey, digest: bytes | None) -> None:
        self._key = key
        self._digest = digest
        self.verified = False

    def verify(self, digest: bytes, signature: bytes) -> None:
        self.verified = self._key.verifies(self._digest or digest, signature)


class _Verifier(dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy's verifier, given canonical fields and body and a key that was fetched before.

    dkimpy sees the fields that are signed as a single one: it hashes the same bytes, and does not
    search for each of the names.
    """

    def __init__(self, signed: bytes, body: bytes) -> None:
        super().__init__(None, logger=log)
        self._signed = signed
        name, _colon, value = signed.partition(b":")
        self.headers: Any = [(name, value)] if signed else []
        self.body: Any = body
        self.ktag = b"ed25519"
        self.pk: Any = None

    def run(self, signature: Signature, own: tuple[bytes, bytes], key: PublicKey) -> None:
        """Raise SignatureError unless the key verifies the signature."""
        self.pk = _Adapter(key, self._digest_of_odd(own))
        # Everything is canonical already, so dkimpy must change nothing: simple, except that its
        # simple would make a line of a relaxed body that is empty.
        fields = {
            b"a": signature.algorithm.encode("ascii"),
            b"c": b"simple/simple" if self.body else b"simple/relaxed",
            b"bh": base64.b64encode(signature.body_hash),
            b"b": base64.b64encode(signature.signature),
        }
        if signature.length is not None:
            fields[b"l"] = str(signature.length).encode("ascii")
        names = [name.lower() for name, _value in self.headers]
        try:
            self.verify_sig_process(fields, names, own, None)
        except dkim.ValidationError:
            raise SignatureError("fail", "the body hash does not match") from None
        if not self.pk.verified:
            raise SignatureError("fail", "the signature does not match the header fields")

    def _digest_of_odd(self, own: tuple[bytes, bytes]) -> bytes | None:
        """Return the digest where another tag holds what looks like b=, as a folded z= may.

        dkimpy cuts that out of the hash, too, while only the value of the tag goes (§3.7).
        """
        name, value = own
        if dkim.RE_BTAG.sub(rb"\1", value).rstrip() == value.rstrip():
            return None
        return hashlib.sha256(self._signed + name + b":" + value.rstrip()).digest()
