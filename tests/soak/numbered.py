"""A numbered message: its number and its body's digest stand in a field of its own.

It runs in containers that have nothing but Python: the standard library only, and no neighbours.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from functools import lru_cache

_FIELD = re.compile(rb"^X-Soak: (\w+) (\d+) ([0-9a-f]{32})\r?$", re.MULTILINE)
_WORDS = b"the a letter of mail goes . from here to there and From home is .. what it was".split()


@dataclass(frozen=True)
class Copy:
    """One file that has a number. bounce: it is about the message; else whole: every byte of the
    body is as it was sent.
    """

    number: int
    bounce: bool
    whole: bool


def compose(run: str, number: int, sender: str, recipient: str) -> bytes:
    """The message, lines ending in CRLF. The same number always has the same body."""
    body = _body(number)
    return b"\r\n".join(
        (
            b"From: <%s>" % sender.encode(),
            b"To: <%s>" % recipient.encode(),
            b"Subject: soak %d" % number,
            b"Date: Thu, 26 Nov 2026 04:00:00 +0000",
            b"Message-ID: <%d.%s@soak.invalid>" % (number, run.encode()),
            b"X-Soak: %s %d %s" % (run.encode(), number, _digest(body)),
            b"",
            body.replace(b"\n", b"\r\n"),
        )
    )


def read(run: str, content: bytes) -> Copy | None:
    """What a file is, whatever its lines end in; None where it has no number of this run."""
    head, _, body = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    for part, bounce in ((head + b"\n", False), (body, True)):
        found = _FIELD.search(part)
        if found and found[1] == run.encode():
            whole = bounce or _digest(body) == found[3]
            return Copy(int(found[2]), bounce, whole)
    return None


def numbers(run: str, content: bytes) -> set[int]:
    """Every number that stands anywhere in some bytes."""
    return {int(each[2]) for each in _FIELD.finditer(content) if each[1] == run.encode()}


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:32].encode()


def _body(number: int) -> bytes:
    # Mostly some kilobytes; a few are larger than what one read or one packet takes.
    chosen = random.Random(number)
    kind = chosen.random()
    size = chosen.randint(200, 5_000)
    if kind < 0.001:
        size = 1_000_000
    elif kind < 0.03:
        size = chosen.randint(20_000, 90_000)
    text = _text()
    start = chosen.randrange(10_000)
    start = text.index(b"\n", start) + 1
    times = (start + size) // len(text) + 1
    return b"%d begins\n%s\n%d ends\n" % (number, (text * times)[start : start + size], number)


@lru_cache
def _text() -> bytes:
    chosen = random.Random(0)
    lines = (
        b" ".join(chosen.choice(_WORDS) for _ in range(chosen.randint(0, 14))) for _ in range(3_000)
    )
    # A blank at a line's end is nothing that this is about.
    return b"".join(line + b"\n" for line in lines)
