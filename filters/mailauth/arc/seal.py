"""Sealing a message with an ARC set of one's own (RFC 8617 §5.1).

dkimpy writes and hashes the fields; OpenSSL computes the signatures. It must not know how a
chain is verified, nor which messages are to be sealed.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Sequence
from typing import Any

import dkim
from dkim.canonicalization import CanonicalizationPolicy

from filters.mailauth.arc.chain import MOST_SETS, Chain, covered, newest_first, read_chain
from filters.mailauth.auth_results import MethodResult, format_arc_field
from filters.mailauth.dkim.canonical import Relaxed, relaxed_body_digest
from filters.mailauth.dkim.sign import signed_names
from filters.mailauth.dkim.signing_key import SigningKey
from filters.mailauth.message import Message
from filters.mailauth.results import ArcResult

_MOST_DKIM_SIGNATURES = 20

_Header = tuple[bytes, bytes]
_Tags = list[tuple[bytes, bytes]]


def seal(
    message: Message,
    *,
    chain: ArcResult,
    authserv_id: str,
    results: Sequence[MethodResult],
    key: SigningKey,
    now: float | None = None,
) -> bytes:
    """Return the three fields of the next ARC set, to put in front of everything, or b"".

    chain: what verifying the message as it came found; results: what stands in our own
    Authentication-Results. now: seconds since 1970, by default the clock's. The message must be
    as it leaves: seal last. Nothing is added where the newest seal says cv=fail already, beyond
    instance 50, where DNS could not tell the chain's state (a seal would break a chain that may
    be whole), or without a From field. Raises ValueError where the chain is another message's.
    """
    found = read_chain(message)
    if found.highest != chain.instances:
        raise ValueError("the ARC result is not that of this message")
    present = {field.key for field in message.fields}
    if found.ended or found.highest >= MOST_SETS or chain.temporary or b"from" not in present:
        return b""
    status, instance = chain.result, found.highest + 1
    if not any(result.method == "arc" for result in results):
        results = (*results, MethodResult("arc", status))
    moment = str(int(time.time() if now is None else now)).encode("ascii")
    aar = format_arc_field(instance, authserv_id, results)
    ams = _message_signature(message, instance, key, moment)
    return _seal(found, status, instance, key, moment, aar, ams) + ams + aar


def _message_signature(message: Message, instance: int, key: SigningKey, moment: bytes) -> bytes:
    signatures = len(message.named(b"dkim-signature"))
    # §4.1.2: DKIM's signatures too; never A-R or ARC's own fields.
    names = signed_names(message)
    names += [b"dkim-signature"] * min(signatures, _MOST_DKIM_SIGNATURES)
    digest = relaxed_body_digest(message.raw, message.body_start)
    tags = _tags(instance, key, moment)
    tags[2:2] = [(b"c", b"relaxed/relaxed")]
    tags += [(b"h", b" : ".join(names)), (b"bh", base64.b64encode(digest))]
    headers = [
        (field.name.rstrip(b" \t\r\n"), field.value) for field in message.fields if field.key
    ]
    return _Writer(headers).field(b"ARC-Message-Signature", tags, names, key)


def _seal(
    chain: Chain,
    status: str,
    instance: int,
    key: SigningKey,
    moment: bytes,
    aar: bytes,
    ams: bytes,
) -> bytes:
    # §5.1.2: the seal of a chain that has failed covers its own set only.
    sets = () if status == "fail" else chain.sets
    older = [(field.name, field.value) for field in newest_first(sets)]
    headers = [_header(ams), _header(aar), *older]
    names = list(covered(len(sets) + 1))
    tags = [*_tags(instance, key, moment), (b"cv", status.encode("ascii"))]
    return _Writer(headers).field(b"ARC-Seal", tags, names, key)


def _tags(instance: int, key: SigningKey, moment: bytes) -> _Tags:
    return [
        # First and in this shape: some verifiers look for exactly ` i=N;`.
        (b"i", str(instance).encode("ascii")),
        (b"a", key.algorithm.encode("ascii")),
        (b"d", key.domain.encode("ascii")),
        (b"s", key.selector.encode("ascii")),
        (b"t", moment),
    ]


def _header(raw: bytes) -> _Header:
    name, _colon, value = raw.partition(b":")
    return name, value


class _Adapter:
    """What dkimpy takes for an Ed25519 key: sign(digest).signature."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self.signature = b""

    def sign(self, digest: bytes) -> _Adapter:
        """Sign a digest; dkimpy reads `signature` of what it gets back."""
        self.signature = self._key.sign(digest)
        return self


class _Writer(dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy's writer of signed fields, given the fields to cover, our canon and OpenSSL."""

    def __init__(self, headers: list[_Header]) -> None:
        super().__init__(None, signature_algorithm=b"ed25519-sha256")
        self.headers: Any = headers
        self.hasher = hashlib.sha256

    def field(self, name: bytes, tags: _Tags, names: list[bytes], key: SigningKey) -> bytes:
        """Return the whole field with its signature over the fields of these names."""
        # A place-holder that folds like a signature, so that folding again changes nothing.
        tags = [*tags, (b"b", b"0" * 60)]
        # As in layout.py, dkimpy's Ed25519 branch serves RSA too: it asks for sign(digest).
        policy = CanonicalizationPolicy(Relaxed, Relaxed)
        value: bytes = self.gen_header(tags, names, policy, name, _Adapter(key))
        return name + b": " + value
