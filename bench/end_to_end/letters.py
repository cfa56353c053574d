"""The messages: each with a Message-ID of its own, as a stranger or as an account sends it.

It must not know who carries them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from bench.end_to_end.scene import ACCOUNTS, ADDRESSES, AUTHORS, OUTSIDE
from bench.messages import plain
from bench.testbed import SELECTOR
from filters.mailauth.dkim.sign import sign
from filters.mailauth.dkim.signing_key import SigningKey
from filters.mailauth.message import Message

SIZE = 4_096
# Every so many messages to an account one is for a sub-address.
TAGGED = 4


@dataclass(frozen=True)
class Letter:
    """One message, as it goes over the wire, with its last dot; `login`: who submits it."""

    number: int
    sender: str
    recipient: str
    data: bytes
    login: str | None = None


class Post:
    """New messages. Those of strangers are signed by their authors' domains."""

    def __init__(self, key: SigningKey) -> None:
        self._keys = [SigningKey(name, SELECTOR, key.algorithm, key.private) for name in AUTHORS]
        self._next = 0

    def incoming(self, count: int) -> list[Letter]:
        """From outside, for all accounts by turns; every domain writes to every account."""
        return [self._from_outside() for _ in range(count)]

    def internal(self, count: int) -> list[Letter]:
        """From account to account, each to each by turns."""
        return [self._submitted(_account) for _ in range(count)]

    def outgoing(self, count: int) -> list[Letter]:
        """From all accounts by turns to addresses outside."""
        return [self._submitted(_outside) for _ in range(count)]

    def tampered(self) -> Letter:
        """One from outside whose body is not what was signed."""
        one = self._from_outside()
        data = one.data.replace(b"\r\n.\r\n", b"\r\nHe never signed this.\r\n.\r\n")
        return Letter(one.number, one.sender, one.recipient, data)

    def _from_outside(self) -> Letter:
        key = self._keys[self._next // ACCOUNTS % len(self._keys)]
        number, text = self._new(f"alice@{key.domain}")
        data = sign(Message(text), [key]) + text
        return _letter(number, f"alice@{key.domain}", _account(number), data, None)

    def _submitted(self, recipient: Callable[[int], str]) -> Letter:
        login = ADDRESSES[self._next % ACCOUNTS]
        number, text = self._new(login)
        return _letter(number, login, recipient(number), text, login)

    def _new(self, author: str) -> tuple[int, bytes]:
        number, self._next = self._next, self._next + 1
        name = b"<letter-%07d@" % number
        return number, _text(author).replace(b"<20261103100000.4711@", name)


@lru_cache(200)
def _text(author: str) -> bytes:
    return plain(SIZE, author)


def _letter(number: int, sender: str, recipient: str, data: bytes, login: str | None) -> Letter:
    if b"\r\n." in data:
        raise RuntimeError("a line that begins with a dot")
    return Letter(number, sender, recipient, data + b".\r\n", login)


def _account(number: int) -> str:
    # Each tenth of the messages goes one account further on.
    name, _, domain = ADDRESSES[(number + number // ACCOUNTS) % ACCOUNTS].partition("@")
    tag = "+bench" if number % TAGGED == 0 else ""
    return f"{name}{tag}@{domain}"


def _outside(number: int) -> str:
    return f"person{number % ACCOUNTS}@{OUTSIDE}"
