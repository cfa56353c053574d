"""Signing with DKIM (RFC 6376, RFC 8463).

dkimpy writes the field (layout.py), OpenSSL computes the signature (signing_key.py). It must not
know how a key was chosen for a message.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache

from filters.mailauth.dkim.canonical import relaxed_body_digest, relaxed_field
from filters.mailauth.dkim.layout import layout
from filters.mailauth.dkim.signing_key import SigningKey
from filters.mailauth.message import Message

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


def sign(message: Message, keys: Sequence[SigningKey]) -> bytes:
    """Return one DKIM-Signature field a key, folded and ended by CRLF, to put in front.

    relaxed/relaxed. Raises ValueError for a message without a From field (RFC 6376 §5.4).
    """
    names, places = _plan(message)
    covered = [message.fields[place] for place in places]
    digest = hashlib.sha256(b"".join([relaxed_field(one.key, one.value) for one in covered]))
    body_hash = base64.b64encode(relaxed_body_digest(message.raw, message.body_start))
    moment = b"%d" % int(time.time())
    fields = []
    for key in keys:
        form = layout(key.algorithm, key.domain, key.selector, names, key.signature_size)
        whole = digest.copy()
        whole.update(form.to_hash(moment, body_hash))
        signature = base64.b64encode(key.sign(whole.digest()))
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
