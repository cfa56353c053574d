"""Is this the password of that login, and which of its passwords is it?

A wrong password costs the same whoever the login is and whether it exists; a right one costs a
crypt(3) once and nothing afterwards. It keeps no password: what it remembers are keyed digests,
under a key that ends with the process. It knows no socket.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from filters.crypt_hash import crypt, matches
from filters.login_book import LoginBook, Password

REMEMBERED = 4096  # right answers, and as many wrong ones

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Checked:
    """The password that it is; None for every kind of no. again: it was found wrong before."""

    password: Password | None
    again: bool = False


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
        known = self.recall(login, password)
        if known is not None:
            return known.password
        book = self._book()
        found = search(book, login, password)
        self.remember(login, password, book, found)
        return found

    def recall(self, login: bytes, password: bytes) -> Checked | None:
        """What can be said without hashing anything; None where `search` has to look."""
        if not login or not password:
            return Checked(None)
        book = self._book()
        digest = self._digest(login, password)
        known = self._right.get(digest)
        if known is not None and known in book.passwords_of(login):
            self._right.move_to_end(digest)
            return Checked(known)
        if self._wrong.get(digest) is book:
            return Checked(None, again=True)
        return None

    def remember(
        self, login: bytes, password: bytes, book: LoginBook, found: Password | None
    ) -> None:
        """What `search` found in that book."""
        digest = self._digest(login, password)
        if found is None:
            _remember(self._wrong, digest, book)
        else:
            _remember(self._right, digest, found)

    def _digest(self, login: bytes, password: bytes) -> bytes:
        question = len(login).to_bytes(4, "big") + login + password
        return hmac.new(self._key, question, hashlib.sha256).digest()


def search(
    book: LoginBook, login: bytes, password: bytes, go_on: Callable[[], None] = lambda: None
) -> Password | None:
    """Hash it as each of the login's, and of the decoys. Touches nothing that others use.

    go_on: called before each, and raises where it is no use any more.
    """
    for candidate in book.passwords_of(login):
        go_on()
        if matches(password, candidate.hash):
            return candidate
    for decoy in book.decoys(login):
        go_on()
        crypt(password, decoy)
    return None


def _remember(memory: OrderedDict[bytes, Value], digest: bytes, value: Value) -> None:
    memory[digest] = value
    memory.move_to_end(digest)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
