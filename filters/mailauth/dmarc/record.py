"""One DMARC policy record, read (RFC 9989 §4.7, §4.8).

It must not know DNS, nor which record applies to which domain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Policy = Literal["none", "quarantine", "reject"]
Psd = Literal["y", "n", "u"]

# §4.8: v is the first tag, and the one value whose case matters; tag names ignore case.
_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*")
_POLICIES: dict[bytes, Policy] = {b"none": "none", b"quarantine": "quarantine", b"reject": "reject"}
_PSD: dict[bytes, Psd] = {b"y": "y", b"n": "n"}
# §4.7, t=y: one level below what the record says.
_LOWER: dict[Policy, Policy] = {"reject": "quarantine", "quarantine": "none", "none": "none"}
# RFC 3986 §3.1, as far as it takes to tell an address for reports from a mere word.
_URI = re.compile(rb"[ \t]*[a-z][a-z0-9+.-]*:[\x21-\x2b\x2d-\x7e]+[ \t]*")

# Octets; what is longer is read anew each time, and not remembered.
_LONGEST_KNOWN = 500


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """What a record says, defaults filled in.

    p: None where the record asks for no DMARC processing at all (§4.10.1). sp, np: None where
    they are missing. testing: t=y.
    """

    p: Policy | None
    sp: Policy | None = None
    np: Policy | None = None
    strict_dkim: bool = False
    strict_spf: bool = False
    psd: Psd = "u"
    testing: bool = False

    def own(self) -> Policy | None:
        """Return the policy for the domain that publishes the record."""
        return self._effective(self.p)

    def inherited(self, *, exists: bool) -> Policy | None:
        """Return the policy for a domain below it, by whether that is in DNS (§4.10.1)."""
        below = self.sp or self.p
        return self._effective(below if exists else self.np or below)

    def _effective(self, policy: Policy | None) -> Policy | None:
        return _LOWER[policy] if policy and self.testing else policy


def parse(text: bytes) -> DmarcRecord | None:
    """Return the record, or None where the text is no DMARC record.

    Unknown tags are ignored, and what is malformed counts as missing; of a tag that occurs twice
    the first counts.
    """
    return _known(text) if len(text) <= _LONGEST_KNOWN else _parse(text)


def _parse(text: bytes) -> DmarcRecord | None:
    version, _semicolon, rest = text.partition(b";")
    if not _VERSION.fullmatch(version):
        return None
    tags: dict[bytes, bytes] = {}
    for spec in rest.split(b";"):
        name, equals, value = spec.partition(b"=")
        if equals:
            tags.setdefault(name.strip(b" \t").lower(), value.strip(b" \t").lower())
    p, sp, np = (_POLICIES.get(tags.get(tag, b"")) for tag in (b"p", b"sp", b"np"))
    if p is None or (sp is None and b"sp" in tags) or (np is None and b"np" in tags):
        # §4.10.1: who asks for reports gets p=none, who does not gets no DMARC.
        reported = any(_URI.fullmatch(uri) for uri in tags.get(b"rua", b"").split(b","))
        p, sp, np = "none" if reported else None, None, None
    return DmarcRecord(
        p=p,
        sp=sp,
        np=np,
        strict_dkim=tags.get(b"adkim") == b"s",
        strict_spf=tags.get(b"aspf") == b"s",
        psd=_PSD.get(tags.get(b"psd", b""), "u"),
        testing=tags.get(b"t") == b"y",
    )


_known = lru_cache(maxsize=2_048)(_parse)
