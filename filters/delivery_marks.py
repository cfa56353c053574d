"""The marks by which our own earlier handling of a message is known: nobody else can write them.

    X-Signpost-Delivered: TIME HMAC
    X-Signpost-Forwarded: TIME HMAC

The first is `deliver`'s (entrypoint/delivery/mark.c, which has the same arithmetic), the second is
the filters'. The HMAC (SHA-256, RFC 2104) is over the kind, the address, the time, and what of a
message survives forwarding. It knows neither addresses nor what a mark means.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from typing import Literal

from filters.mailauth.message import Message

Kind = Literal["delivered", "forwarded"]

# As many of a message are looked at, from the top; hexadecimal digits of a HMAC; bytes of a value.
MOST_MARKS, DIGITS, LONGEST = 50, 32, 998
_MARK = re.compile(rb"[ \t\r\n]*([0-9a-f]{1,16})[ \t\r\n]+([0-9a-f]{32})[ \t\r\n]*")
_IDENTITY = re.compile(rb"(?:message-id|date|resent-message-id|resent-from):", re.IGNORECASE)
_MARKS = re.compile(rb"x-signpost-(?:delivered|forwarded):", re.IGNORECASE)
_WHITE = re.compile(rb"[ \t\r\n]+")


@dataclass(frozen=True)
class Identity:
    """What stays of a message, whoever forwards it.

    Who resends a message by hand makes it another one (RFC 5322 §3.6.6). A server on the way may
    add a Message-ID or a Date where there is none, so that a mark for a message without one is
    known in a message with one, too.
    """

    message_id: bytes
    date: bytes
    resent: bytes

    @classmethod
    def of(cls, message: Message) -> Identity:
        """Of the first field of each name; folding does not count."""
        found: dict[bytes, bytes] = {}
        for field in message.starting(_IDENTITY):
            found.setdefault(field.key, _WHITE.sub(b"", field.value)[:LONGEST])
        resent = found.get(b"resent-message-id") or found.get(b"resent-from", b"")
        return cls(found.get(b"message-id", b""), found.get(b"date", b""), resent)

    def variants(self) -> Iterator[bytes]:
        """Itself first, and as it was before a server has added something."""
        for message_id, date in product((self.message_id, b""), (self.date, b"")):
            yield b"\n".join((message_id, date, self.resent, b""))


def may_have_marks(message: bytes) -> bool:
    """Whether it is worth a look: nearly all mail has none."""
    end = message.find(b"\r\n\r\n")
    return _MARKS.search(message, 0, end if end >= 0 else len(message)) is not None


class MarksOf:
    """The marks in one message."""

    def __init__(self, key: bytes, message: Message) -> None:
        self._key, self._message = key, message
        found: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for field in islice(message.starting(_MARKS), MOST_MARKS):
            value = _MARK.fullmatch(field.value)
            if value is not None:
                found.setdefault(field.key, []).append((value[1], value[2]))
        self._found = found

    def has(self, kind: Kind, address: str) -> bool:
        """Whether one is ours and says that about this address."""
        return any(
            hmac.compare_digest(self._hmac(kind, address, time, variant), digest)
            for time, digest in self._found.get(f"x-signpost-{kind}".encode(), ())
            for variant in self._identity.variants()
        )

    def new(self, kind: Kind, address: str, now: float) -> bytes:
        """The field that says it, for the top of the message."""
        time = f"{int(now):x}".encode()
        digest = self._hmac(kind, address, time, next(self._identity.variants()))
        return b"X-Signpost-%s: %s %s\r\n" % (kind.title().encode(), time, digest)

    @cached_property
    def _identity(self) -> Identity:
        return Identity.of(self._message)

    def _hmac(self, kind: Kind, address: str, time: bytes, identity: bytes) -> bytes:
        text = b"%s\n%s\n%s\n%s" % (kind.encode(), address.lower().encode(), time, identity)
        return hmac.digest(self._key, text, "sha256").hex()[:DIGITS].encode()
