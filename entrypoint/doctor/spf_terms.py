"""The terms of an SPF record that cost look-ups, counted over all that it includes.

An evaluation ends at the first match and so does not say how much a record may cost: this walks
the whole of it. It must not know addresses, nor what a record comes to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from filters.mailauth.resolver import Resolver

LIMIT = 10  # RFC 7208 §4.6.4
MOST_COUNTED = 30  # there the count ends: a record may include itself

# §4.6.1: qualifier, name, and what is behind the first separator.
_TERM = re.compile(rb"([+?~-]?)([a-z][a-z0-9_.-]*)([:/=]?)(.*)", re.IGNORECASE | re.DOTALL)
_COSTLY = frozenset({b"include", b"a", b"mx", b"ptr", b"exists"})
_LONGEST = 16_384  # octets of one record


@dataclass(frozen=True)
class Terms:
    """lookups: at most MOST_COUNTED + 1. everybody: an unconditional pass is among them."""

    lookups: int
    everybody: bool


async def terms_of(name: str, resolver: Resolver) -> Terms | None:
    """Count; None where the name has not exactly one record. Raises DnsTemporaryError."""
    record = await _record(name, resolver)
    if record is None:
        return None
    lookups, everybody = 0, False
    waiting = [record]
    while waiting and lookups <= MOST_COUNTED:
        further, costly, open_to_all = _read(waiting.pop(0))
        lookups += costly
        everybody = everybody or open_to_all
        for target in further[: MOST_COUNTED + 1]:
            included = await _record(target, resolver)
            if included is not None:
                waiting.append(included)
    return Terms(min(lookups, MOST_COUNTED + 1), everybody)


async def _record(name: str, resolver: Resolver) -> bytes | None:
    texts = (await resolver.query(name, "TXT")).texts
    found = [text for text in texts if re.match(rb"v=spf1(?: |\Z)", text, re.IGNORECASE)]
    return found[0][:_LONGEST] if len(found) == 1 else None


def _read(record: bytes) -> tuple[list[str], int, bool]:
    """Names of further records, the number of costly terms, and whether everybody passes."""
    further: list[str] = []
    redirect: bytes | None = None
    lookups, everybody, ends = 0, False, False
    for text in record.split(b" ")[1:]:
        term = _TERM.fullmatch(text)
        if term is None:
            continue
        qualifier, name, separator, value = term.groups()
        name = name.lower()
        if name == b"all" and not separator:
            ends = True
            everybody = everybody or qualifier in (b"", b"+")
        elif name in _COSTLY and separator != b"=":
            lookups += 1
            if name == b"include":
                further.append(_target(value))
        elif name == b"redirect" and separator == b"=" and not qualifier:
            redirect = value
    # §6.1: a redirect counts only where no all is.
    if redirect is not None and not ends:
        lookups += 1
        further.append(_target(redirect))
    # A macro makes the name depend on the message; the term itself is counted all the same.
    return [name for name in further if name and "%" not in name], lookups, everybody


def _target(value: bytes) -> str:
    return value.decode("ascii", "surrogateescape")
