"""Whether a key made a signature over a message (RFC 6376 §6.1.3).

dkimpy hashes what we hand it, already canonicalised; OpenSSL checks the signature. It must not
know DNS, nor which signatures are to be believed.
"""

import asyncio
import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import dkim

from filters.mailauth import tags
from filters.mailauth.canonical import ALGORITHMS
from filters.mailauth.dkim_key import PublicKey
from filters.mailauth.dkim_signature import Signature, SignatureError
from filters.mailauth.message import Field, Message


class TestedError(SignatureError):
    """A failure under a key that says t=y."""

    __test__ = False  # no test, whatever pytest thinks of the name


class Work:
    """A message and its canonical forms, each computed once for all signatures."""

    def __init__(self, message: Message) -> None:
        self.message = message
        # One thread a message: the others would canonicalise the same body.
        self.lock = asyncio.Lock()
        self.count = Counter(field.key for field in message.fields)
        self._bodies: dict[bytes, bytes] = {}
        self._headers: dict[bytes, Sequence[tuple[bytes, bytes]]] = {}

    def body(self, algorithm: bytes) -> bytes:
        """Return the canonical body."""
        if algorithm not in self._bodies:
            canonical = ALGORITHMS[algorithm].canonicalize_body(self.message.body)
            self._bodies[algorithm] = canonical
        return self._bodies[algorithm]

    def headers(self, algorithm: bytes) -> Sequence[tuple[bytes, bytes]]:
        """Return the canonical fields, as (name, value)."""
        if algorithm not in self._headers:
            written = [(field.name, field.value) for field in self.message.fields]
            self._headers[algorithm] = ALGORITHMS[algorithm].canonicalize_headers(written)
        return self._headers[algorithm]

    def check(self, field: Field, signature: Signature, keys: Iterable[PublicKey]) -> PublicKey:
        """Return the key that verifies the signature. Raises SignatureError."""
        body = self.body(signature.body_canon)
        if signature.length is not None and signature.length > len(body):
            raise SignatureError("permerror", "l= is more than there is of the body")
        value = tags.without_value(field.value, b"b")
        own = ALGORITHMS[signature.header_canon].canonicalize_headers([(field.name, value)])[0]
        if dkim.RE_BTAG.sub(rb"\1", own[1]).rstrip() != own[1].rstrip():
            # dkimpy would cut this too, and no other verifier would.
            raise SignatureError("neutral", "a tag of the signature holds another b=")
        verifier = _Verifier(self.headers(signature.header_canon), body)
        last: SignatureError | None = None
        for key in keys:
            try:
                verifier.run(signature, own, key)
            except SignatureError as error:
                last = last or (TestedError(error.result, str(error)) if key.testing else error)
            else:
                return key
        raise last or SignatureError("permerror", "no key for the signature")


class _Adapter:
    """What dkimpy takes for an Ed25519 key: verify(digest, signature); it keeps the outcome."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key
        self.verified = False

    def verify(self, digest: bytes, signature: bytes) -> None:
        self.verified = self._key.verifies(digest, signature)


class _Verifier(dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy's verifier, given canonical headers and body and a key that was fetched before."""

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        super().__init__(None)
        self.headers: Any = headers
        self.body: Any = body
        self.ktag = b"ed25519"
        self.pk: Any = None

    def run(self, signature: Signature, own: tuple[bytes, bytes], key: PublicKey) -> None:
        """Raise SignatureError unless the key verifies the signature."""
        self.pk = _Adapter(key)
        present = {name.lower() for name, _value in self.headers}
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
        # A name that does not occur adds nothing to the hash, and a search for it takes time.
        names = [name for name in signature.names if name in present]
        try:
            self.verify_sig_process(fields, names, own, None)
        except dkim.ValidationError:
            raise SignatureError("fail", "the body hash does not match") from None
        if not self.pk.verified:
            raise SignatureError("fail", "the signature does not match the header fields")
