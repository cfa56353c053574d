"""Whom an account has written to, as one datagram: its address and theirs, NULs in between.

It must not know who sends it, nor what is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Who writes to more at once writes to a list, and a datagram has to stay small.
MOST_RECIPIENTS = 100
# RFC 5321 §4.5.3.1.3: a path has 256 octets; smtpd takes somewhat more.
_LONGEST_ADDRESS = 320
LONGEST_DATAGRAM = (MOST_RECIPIENTS + 1) * (_LONGEST_ADDRESS + 1)

_ADDRESS = re.compile(r"[!-\[\]-~]+@[!-?A-\[\]-~]+")


class WrittenTo(NamedTuple):
    """account: its address. recipients: theirs; all in lower case."""

    account: str
    recipients: tuple[str, ...]


def encode_written_to(account: str, recipients: Iterable[str]) -> bytes | None:
    """The datagram; None where nobody is left: an address that is not plain ASCII is left out."""
    plain = [address for address in map(_plain, recipients) if address]
    owner = _plain(account)
    if not owner or not plain:
        return None
    return "\0".join([owner, *dict.fromkeys(plain)][: MOST_RECIPIENTS + 1]).encode("ascii")


def decode_written_to(datagram: bytes) -> WrittenTo | None:
    """What a datagram says; None for one that says nothing of the kind."""
    if len(datagram) > LONGEST_DATAGRAM:
        return None
    try:
        parts: Sequence[str] = datagram.decode("ascii").split("\0")
    except UnicodeDecodeError:
        return None
    if not 2 <= len(parts) <= MOST_RECIPIENTS + 1:
        return None
    if not all(part and part == _plain(part) for part in parts):
        return None
    account, *recipients = parts
    return WrittenTo(account, tuple(recipients))


def _plain(address: str) -> str:
    """In lower case; "" for what is no address of printable ASCII."""
    fits = len(address) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(address)
    return address.lower() if fits else ""
