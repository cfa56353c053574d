"""What the engine asks of DNS and what it hears.

A temporary failure is an exception, everything else an answer: nobody can mistake one for the
other. It must not know how a question is answered (client.py, zone.py, lookup.py) nor why it is
asked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

# (preference, host), address, host name, or the joined character-strings of a TXT record.
RecordData = str | bytes | tuple[int, str]


class DnsTemporaryError(Exception):
    """No answer now: SERVFAIL, a time-out, or the message's budget or time is spent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """The records of one name and type, aliases followed; empty if there are none.

    records: TXT as bytes, A, AAAA, PTR, NS and CNAME as str without a trailing dot, MX as
    (preference, host) with host "" for the null MX. nxdomain: the name itself does not exist.
    """

    records: tuple[RecordData, ...] = ()
    nxdomain: bool = False

    @property
    def texts(self) -> tuple[bytes, ...]:
        """The TXT records, the strings of each put together."""
        return tuple(record for record in self.records if isinstance(record, bytes))

    @property
    def names(self) -> tuple[str, ...]:
        """The addresses or host names."""
        return tuple(record for record in self.records if isinstance(record, str))

    @property
    def exchanges(self) -> tuple[tuple[int, str], ...]:
        """The MX records: preference and host name."""
        return tuple(record for record in self.records if isinstance(record, tuple))


Outcome = Answer | DnsTemporaryError
Question = tuple[str, str]
Known = Callable[[str, str], Outcome | None]

# No name of more characters has 253 octets; hostile text does not stay in the cache.
_LONGEST_TEXT = 254


class Resolver(Protocol):
    """Anything that answers DNS questions."""

    async def query(self, name: str, rdtype: str) -> Answer:
        """Answer for an absolute name, with or without its last dot, and a type such as "TXT".

        A name that cannot exist (too long, an empty label) is an NXDOMAIN like any other.
        Raises DnsTemporaryError and nothing else.
        """


class CachingResolver(Protocol):
    """What a Resolver may be too: one that says at once what it knows."""

    def cached(self, name: str, rdtype: str) -> Outcome | None:
        """Return what query() would answer, or raise, without waiting; None if it had to wait."""


def labels(name: str) -> tuple[bytes, ...] | None:
    """Return the labels in lower case, or None where no DNS name can be so (RFC 1035 §2.3.4).

    Backslashes are bytes like others here: nothing of RFC 1035's presentation format.
    """
    return _labels(name) if len(name) <= _LONGEST_TEXT else None


@functools.lru_cache(maxsize=4096)  # an SPF evaluation asks for the same few names dozens of times
def _labels(name: str) -> tuple[bytes, ...] | None:
    data = name.encode("utf-8", "surrogateescape").lower().removesuffix(b".")
    parts = tuple(data.split(b"."))
    if len(data) > 253 or any(not 0 < len(part) <= 63 for part in parts):
        return None
    return parts


def question(name: str, rdtype: str) -> Question:
    """Return the same name and type for whatever is the same question.

    Only ASCII letters have a second case in DNS; str.lower() would take a Kelvin sign for a k.
    """
    return (name.lower() if name.isascii() else name).removesuffix("."), rdtype
