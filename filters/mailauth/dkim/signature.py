"""One DKIM-Signature field, read and checked by itself (RFC 6376 §3.5, §6.1.1).

It must not know the message around it, nor the key.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from filters.mailauth import tags
from filters.mailauth.dkim.canonical import ALGORITHMS
from filters.mailauth.names import ldh, record_name
from filters.mailauth.results import DkimWord

_DOMAIN = re.compile(r"[A-Za-z0-9.-]+")
_SELECTOR = re.compile(r"[A-Za-z0-9._-]+")
_CLAIMED_IDENTITY = re.compile(r"[^\x00-\x20\x7f\ufffd]*@[A-Za-z0-9.-]+")
_ALGORITHM = re.compile(r"[A-Za-z0-9-]{1,40}")
_ENCODED = re.compile(r"[A-Za-z0-9+/=]+")


@dataclass(frozen=True)
class Claims:
    """What can be told of a signature that may be malformed, for the report: "" if unknown."""

    domain: str = ""
    identity: str = ""
    selector: str = ""
    algorithm: str = ""
    signature: str = ""


def claims(found: Mapping[str, bytes]) -> Claims:
    """Return what the tags claim, as far as it can be read and is safe to write."""

    def text(tag: str, pattern: re.Pattern[str]) -> str:
        data = found.get(tag, b"").decode("utf-8", "replace")
        return data if pattern.fullmatch(data) else ""

    domain = ldh(text("d", _DOMAIN)) or ""
    encoded = tags.compact(found.get("b", b"")).decode("ascii", "replace")
    return Claims(
        domain=domain,
        identity=text("i", _CLAIMED_IDENTITY) or (domain and f"@{domain}"),
        selector=record_name(text("s", _SELECTOR)) or "",
        algorithm=text("a", _ALGORITHM).lower(),
        signature=encoded if _ENCODED.fullmatch(encoded) else "",
    )


# RFC 8601 §2.7.1.

_REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")
_DIGITS = re.compile(rb"[0-9]+")
_FIELD_NAMES = re.compile(rb"[\x21-\x39\x3c-\x7e]+(?::[\x21-\x39\x3c-\x7e]+)*")
_IDENTITY = re.compile(rb"[\x21-\x3a\x3c-\x7e\x80-\xff]*@[A-Za-z0-9.-]+")
_LONGEST_FIELD = 16_384
_CLOCK_SKEW = 300  # seconds


class SignatureError(Exception):
    """The signature cannot pass. result is RFC 8601's word for it, the text the reason."""

    def __init__(self, result: DkimWord, reason: str) -> None:
        super().__init__(reason)
        self.result = result


@dataclass(frozen=True)
class Signature:
    """What a well-formed signature says.

    header_canon, body_canon: b"simple" or b"relaxed". names: h= in lower case. length: l= in
    octets or None.
    """

    algorithm: str
    domain: str
    identity: str
    selector: str
    header_canon: bytes
    body_canon: bytes
    names: tuple[bytes, ...]
    length: int | None
    body_hash: bytes
    signature: bytes


class SignatureField:
    """A DKIM-Signature field: what it claims, and what it says if it is well-formed.

    value: all after the colon.
    """

    def __init__(self, value: bytes) -> None:
        self._tags: dict[str, bytes] = {}
        self._refusal: str | None = None
        if len(value) > _LONGEST_FIELD:
            self._refusal = "the signature field is too long"
            value = value[:_LONGEST_FIELD]
        try:
            self._tags = tags.parse(value)
        except tags.TagListError as error:
            self._refusal = self._refusal or f"the signature is malformed: {error}"

    def claims(self) -> Claims:
        """Return what the field claims, as far as it can be read and is safe to write."""
        return claims(self._tags)

    def read(self, now: float) -> Signature:
        """Return what it says. now: seconds since 1970. Raises SignatureError."""
        if self._refusal is not None:
            raise SignatureError("neutral", self._refusal)
        return _signature(self._tags, now)


def _signature(found: dict[str, bytes], now: float) -> Signature:
    missing = [tag for tag in _REQUIRED if tag not in found]
    if missing:
        raise SignatureError("permerror", f"the signature lacks {missing[0]}=")
    if found["v"] != b"1":
        raise SignatureError("neutral", "the signature's v= is not 1")
    algorithm = found["a"].lower()
    if algorithm == b"rsa-sha1":
        # RFC 8301 §3.1: permanently failed, whatever the signature says.
        raise SignatureError("permerror", "rsa-sha1 is no longer valid")
    if algorithm not in {b"rsa-sha256", b"ed25519-sha256"}:
        raise SignatureError("neutral", "the signature's a= is unknown")
    header_canon, body_canon = _canonicalisation(found.get("c", b"simple/simple"))
    if b"dns/txt" not in tags.items(found.get("q", b"dns/txt")):
        raise SignatureError("neutral", "the signature's q= names no known method")
    domain, identity = _identities(found)
    _check_times(found, now)
    return Signature(
        algorithm=algorithm.decode("ascii"),
        domain=domain,
        identity=identity,
        selector=_selector(found["s"]),
        header_canon=header_canon,
        body_canon=body_canon,
        names=_names(found["h"]),
        length=_number(found, "l", 76),
        body_hash=_base64(found["bh"], "bh"),
        signature=_base64(found["b"], "b"),
    )


def _canonicalisation(value: bytes) -> tuple[bytes, bytes]:
    header, _slash, body = value.lower().partition(b"/")
    body = body or b"simple"
    if header not in ALGORITHMS or body not in ALGORITHMS:
        raise SignatureError("neutral", "the signature's c= is unknown")
    return header, body


def _identities(found: dict[str, bytes]) -> tuple[str, str]:
    domain = ldh(found["d"].decode("latin-1"))
    if domain is None:
        raise SignatureError("neutral", "the signature's d= is no domain")
    if "." not in domain:
        raise SignatureError("policy", "the signature's d= is a top-level domain")
    written = tags.compact(found.get("i", b"@" + found["d"]))
    if not _IDENTITY.fullmatch(written):
        raise SignatureError("neutral", "the signature's i= is no identity")
    of = ldh(written.rpartition(b"@")[2].decode("ascii"))
    if of is None:
        raise SignatureError("neutral", "the signature's i= is no identity")
    if of != domain and not of.endswith("." + domain):
        raise SignatureError("permerror", "the signature's i= is not of its d=")
    return domain, written.decode("utf-8", "replace")


def _selector(value: bytes) -> str:
    selector = record_name(value.decode("latin-1"))
    if selector is None:
        raise SignatureError("neutral", "the signature's s= is no selector")
    return selector


def _names(value: bytes) -> tuple[bytes, ...]:
    names = tags.items(value)
    if not _FIELD_NAMES.fullmatch(b":".join(names)):
        raise SignatureError("neutral", "the signature's h= is no list of field names")
    if b"from" not in names:
        raise SignatureError("permerror", "the signature does not cover From")
    return names


def _number(found: dict[str, bytes], tag: str, digits: int) -> int | None:
    if tag not in found:
        return None
    value = found[tag]
    if len(value) > digits or not _DIGITS.fullmatch(value):
        raise SignatureError("neutral", f"the signature's {tag}= is no number")
    return int(value)


def _check_times(found: dict[str, bytes], now: float) -> None:
    # §3.5: 12 digits are enough for the year 200,000.
    signed, expires = _number(found, "t", 12), _number(found, "x", 12)
    if signed is not None and signed > now + _CLOCK_SKEW:
        raise SignatureError("permerror", "the signature's t= is in the future")
    if expires is None:
        return
    if signed is not None and expires < signed:
        raise SignatureError("permerror", "the signature expires before it was made")
    if expires < now - _CLOCK_SKEW:
        raise SignatureError("permerror", "the signature has expired")


def _base64(value: bytes, tag: str) -> bytes:
    try:
        data = base64.b64decode(tags.compact(value), validate=True)
    except binascii.Error:
        raise SignatureError("neutral", f"the signature's {tag}= is no base64") from None
    if not data:
        raise SignatureError("neutral", f"the signature's {tag}= is empty")
    return data
