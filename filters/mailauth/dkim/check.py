"""Whether a key made a signature over a message (RFC 6376 §6.1.3).

OpenSSL checks the signature. What dkimpy would do in between, hash what was selected and is
canonical already, is two lines here. It must not know DNS, nor which signatures are to be believed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence

from filters.mailauth import tags
from filters.mailauth.dkim.canonical import ALGORITHMS, Relaxed, relaxed_body_digest
from filters.mailauth.dkim.key_record import PublicKey
from filters.mailauth.dkim.signature import Signature, SignatureError
from filters.mailauth.message import Field, Message

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
        self._body_hashes: dict[tuple[bytes, int | None], bytes] = {}
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

    def check(self, field: Field, signature: Signature, keys: Sequence[PublicKey]) -> PublicKey:
        """Return the key that verifies the signature. Raises SignatureError."""
        if signature.length is not None and signature.length > len(self.body(signature.body_canon)):
            raise SignatureError("permerror", "l= is more than there is of the body")
        if not keys:
            raise SignatureError("permerror", "no key for the signature")
        reason = "the body hash does not match"
        if self._body_hash(signature.body_canon, signature.length) == signature.body_hash:
            reason = "the signature does not match the header fields"
            digest = self._header_hash(field, signature)
            for key in keys:
                if key.verifies(digest, signature.signature):
                    return key
        raise (TestedError if keys[0].testing else SignatureError)("fail", reason)

    def _body_hash(self, algorithm: bytes, length: int | None) -> bytes:
        found = self._body_hashes.get((algorithm, length))
        if found is None:
            if algorithm == Relaxed.name and length is None:
                found = relaxed_body_digest(self.message.raw, self.message.body_start)
            else:
                found = hashlib.sha256(memoryview(self.body(algorithm))[:length]).digest()
            self._body_hashes[algorithm, length] = found
        return found

    def _header_hash(self, field: Field, signature: Signature) -> bytes:
        """Return the hash of the fields that h= names, then of the signature's own (§3.7).

        Of that only the value of the tag b= goes, whatever looks like one elsewhere: a folded z=.
        """
        value = tags.without_value(field.value, b"b")
        name, value = _canonical(field.name, value, signature.header_canon)
        signed = self.selected(signature.names, signature.header_canon)
        return hashlib.sha256(b"%b%b:%b" % (signed, name, value.rstrip())).digest()


def _canonical(name: bytes, value: bytes, algorithm: bytes) -> tuple[bytes, bytes]:
    return ALGORITHMS[algorithm].canonicalize_headers([(name, value)])[0]
