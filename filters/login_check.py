"""Is this the password of that login, and which of its passwords is it?

A wrong password costs the same whoever the login is and whether it exists; a right one costs a
crypt(3) once and nothing afterwards. It keeps no password: what it remembers are keyed digests,
under a key that ends with the process. It knows no socket and no clock.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from filters.crypt_hash import crypt, matches
from filters.login_book import LoginBook, Password

REMEMBERED = 4096  # right answers, and as many wrong ones

Value = TypeVar("Value")


class LoginChecker:
    """Answers for the book that `book()` gives; a password taken out of it ends at once."""

    def __init__(self, book: Callable[[], LoginBook]) -> None:
        self._book = book
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, Password] = OrderedDict()
        # A phone with an old password asks for ever; its question is answered from here.
        self._wrong: OrderedDict[bytes, LoginBook] = OrderedDict()

    def check(self, login: bytes, password: bytes) -> Password | None:
        """The password of that login that this is; None for every kind of no."""
        if not login or not password:
            return None
        book = self._book()
        passwords = book.passwords_of(login)
        digest = self._digest(login, password)
        known = self._right.get(digest)
        if known is not None and known in passwords:
            self._right.move_to_end(digest)
            return known
        if self._wrong.get(digest) is book:
            return None
        for candidate in passwords:
            if matches(password, candidate.hash):
                _remember(self._right, digest, candidate)
                return candidate
        for decoy in book.decoys(login):
            crypt(password, decoy)
        _remember(self._wrong, digest, book)
        return None

    def is_known_wrong(self, login: bytes, password: bytes) -> bool:
        """Whether this very password was found wrong before, as far as that is remembered."""
        return self._wrong.get(self._digest(login, password)) is self._book()

    def _digest(self, login: bytes, password: bytes) -> bytes:
        question = len(login).to_bytes(4, "big") + login + password
        return hmac.new(self._key, question, hashlib.sha256).digest()


def _remember(memory: OrderedDict[bytes, Value], digest: bytes, value: Value) -> None:
    memory[digest] = value
    memory.move_to_end(digest)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
