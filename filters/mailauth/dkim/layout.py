"""How dkimpy writes a signature field: learnt once, then filled in for each message.

dkimpy folds and canonicalises the whole field for every message, which takes longer than an
Ed25519 signature. Between two messages with the same fields only the time, the body's hash and
the signature differ, never their lengths, so that every fold stays where it is. It must not know
messages or private keys.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import dkim
from dkim.canonicalization import CanonicalizationPolicy

from filters.mailauth.dkim.canonical import Relaxed

# Stand for the time and the body's hash (base64 of SHA-256) in what dkimpy writes: of their
# length, and of bytes that no tag holds. Ten digits last until the year 2286.
_TIME = b"\1" * 10
_BODY_HASH = b"\2" * 44

_NAME = b"DKIM-Signature"


class Layout(NamedTuple):
    """The texts between time, body hash and signature.

    hashed: as the signature covers it, relaxed; written: as it stands in the message, up to the
    signature; folds: the parts of the signature's base64 that stand on a line of their own.
    """

    hashed: tuple[bytes, bytes, bytes]
    written: tuple[bytes, bytes, bytes]
    folds: tuple[slice, ...]

    def to_hash(self, moment: bytes, body_hash: bytes) -> bytes:
        """Return the field as it is hashed after the fields that it covers (RFC 6376 §3.7)."""
        first, second, third = self.hashed
        return first + moment + second + body_hash + third

    def field(self, moment: bytes, body_hash: bytes, signature: bytes) -> bytes:
        """Return the whole field with its CRLF; `signature` in base64."""
        first, second, third = self.written
        folded = b"\r\n ".join([signature[fold] for fold in self.folds])
        return first + moment + second + body_hash + third + folded + b"\r\n"


@lru_cache(maxsize=128)
def layout(
    algorithm: str, domain: str, selector: str, names: tuple[bytes, ...], size: int
) -> Layout:
    """Learn from dkimpy how it writes the field of a signature of `size` bytes.

    names: the fields that are signed, in the order and as often as h= has them.
    """
    d = domain.encode("ascii")
    tags = [
        (b"v", b"1"),
        (b"a", algorithm.encode("ascii")),
        (b"c", b"relaxed/relaxed"),
        (b"d", d),
        (b"i", b"@" + d),
        (b"q", b"dns/txt"),
        (b"s", selector.encode("ascii")),
        (b"t", _TIME),
        (b"h", b" : ".join(names)),
        (b"bh", _BODY_HASH),
        # A place-holder that folds like a signature, so that folding again changes nothing.
        (b"b", b"0" * 60),
    ]
    hashed, written = _Writer().write(tags, names, size)
    before, after = hashed.split(_TIME)
    written_before, written_after = written.split(_TIME)
    body_hash, rest = written_after.split(_BODY_HASH)
    start = rest.index(b"b=") + 2
    lines = rest[start:].removesuffix(b"\r\n").split(b"\r\n ")
    ends = accumulate(map(len, lines), initial=0)
    return Layout(
        (before, *_pair(after)),
        (written_before, body_hash, rest[:start]),
        tuple(slice(at, end) for at, end in pairwise(ends)),
    )


def _pair(text: bytes) -> tuple[bytes, bytes]:
    first, second = text.split(_BODY_HASH)
    return first, second


class _Recorder:
    """In place of a hash and of a key: keeps what dkimpy hashes, and has a signature already."""

    name = "sha256"

    def __init__(self, size: int) -> None:
        self.hashed = bytearray()
        self.signature = bytes(size)

    def update(self, data: bytes) -> None:
        self.hashed += data

    def digest(self) -> bytes:
        return b""

    def sign(self, digest: bytes) -> _Recorder:
        return self


class _Writer(dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy's signer without a message."""

    def __init__(self) -> None:
        # In its Ed25519 branch dkimpy asks the key to sign(digest), whatever a= says.
        super().__init__(None, signature_algorithm=b"ed25519-sha256")
        self.headers: Any = []

    def write(
        self, tags: list[tuple[bytes, bytes]], names: tuple[bytes, ...], size: int
    ) -> tuple[bytes, bytes]:
        """Return what is hashed of the field, and the field."""
        recorder = _Recorder(size)
        self.hasher = lambda: recorder
        policy = CanonicalizationPolicy(Relaxed, Relaxed)
        value: bytes = self.gen_header(tags, names, policy, _NAME, recorder)
        return bytes(recorder.hashed), _NAME + b": " + value
