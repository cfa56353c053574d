"""Whose passwords are whose: the small file that the image renders for `filters.logins`.

    {"logins": {"alice@example.org": {"hashes": [{"name": "", "hash": "$6$…"},
                                                 {"name": "phone", "hash": "$5$rounds=1000$…"}]}}}

The password without a name is the account's own, the others are app passwords. Hashes are those
of crypt(3). Logins are compared without regard to the case of ASCII letters, as smtpd does it.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import hmac
import json
import re
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from filters.hash_cost import check_seconds, fit_a_question
from filters.right_passwords import RightPasswords

LONGEST_PASSWORD = 511  # bytes; crypt(3) refuses a longer one

_DATA_SIZE = 32768  # struct crypt_data, crypt(3)


def crypt(phrase: bytes, setting: bytes) -> bytes | None:
    """The hash of a phrase under a setting, or under a hash made with it; None if it has none.

    Several threads can hash at a time: each call has a buffer of its own.
    """
    if b"\0" in phrase or b"\0" in setting:
        return None
    data = ctypes.create_string_buffer(_DATA_SIZE)
    # NULL is a failure (crypt_rn of crypt(3)).
    result: bytes | None = _library().crypt_rn(phrase, setting, data, _DATA_SIZE)
    return result or None


def matches(phrase: bytes, hashed: bytes) -> bool:
    """Compared in constant time. The hash decides what it costs, the phrase's length too."""
    made = crypt(phrase, hashed)
    return made is not None and hmac.compare_digest(made, hashed)


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt_rn.restype = ctypes.c_char_p
    library.crypt_rn.argtypes = [
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_int,
    ]
    return library


# What a wrong password costs grows with it, for every login.
MOST_PASSWORDS = 32

# What of a hash decides how long crypt(3) takes: the scheme and its cost (crypt(5)).
_COST = re.compile(rb"\$(?:2[aby]\$[0-9]{2}|y\$[^$]*|[56](?:\$rounds=[0-9]+)?)\$")


@dataclass(frozen=True, slots=True)
class Password:
    """One password of a login; `name` is empty for the account's own."""

    name: str
    hash: bytes


@dataclass(frozen=True)
class LoginTable:
    """The passwords of every login, by the login in lower case."""

    logins: Mapping[bytes, tuple[Password, ...]]
    most: int = field(init=False, repr=False)  # passwords of one login
    _too_slow: frozenset[bytes] = field(init=False, repr=False)
    _dearest: Mapping[bytes, int] = field(init=False, repr=False)
    _sample: Mapping[bytes, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        too_slow = {
            login for login, each in self.logins.items() if not fit_a_question(_hashes(each))
        }
        answered = [each for login, each in self.logins.items() if login not in too_slow]
        dearest: Counter[bytes] = Counter()
        for passwords in answered:
            dearest |= Counter(_costs(passwords))
        sample = {
            cost: password.hash
            for passwords in answered
            for cost, password in zip(_costs(passwords), passwords, strict=True)
        }
        object.__setattr__(self, "most", max(map(len, self.logins.values()), default=0))
        object.__setattr__(self, "_too_slow", frozenset(too_slow))
        object.__setattr__(self, "_dearest", dearest)
        object.__setattr__(self, "_sample", sample)

    @classmethod
    def from_json(cls, text: str) -> LoginTable:
        """Read the rendered file. Raises ValueError where it is not of that form."""
        try:
            return cls(
                {
                    login.encode().lower(): _passwords(login, entry["hashes"])
                    for login, entry in json.loads(text)["logins"].items()
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no table of logins: {error!r}") from error

    def passwords_of(self, login: bytes) -> tuple[Password, ...]:
        """Empty where there is no such login."""
        return self.logins.get(login.lower(), ())

    def is_too_slow(self, login: bytes) -> bool:
        """Whether its passwords take longer than a question may: nobody is to be asked then."""
        return login.lower() in self._too_slow

    def decoys(self, login: bytes) -> list[bytes]:
        """Hashes to try in vain behind the login's own, so that every login costs the same.

        Where the hashes of all logins are so many kinds that they would take too long together,
        the slowest are left out.
        """
        own = self.passwords_of(login)
        missing = Counter(self._dearest)
        missing.subtract(_costs(own))
        decoys = sorted((self._sample[cost] for cost in missing.elements()), key=check_seconds)
        while not fit_a_question([*_hashes(own), *decoys]):
            decoys.pop()
        return decoys


def _passwords(login: str, entries: Iterable[Mapping[str, str]]) -> tuple[Password, ...]:
    passwords = tuple(Password(entry["name"], entry["hash"].encode("ascii")) for entry in entries)
    if len(passwords) > MOST_PASSWORDS:
        raise ValueError(f"{login} has more than {MOST_PASSWORDS} passwords")
    if len({password.name for password in passwords}) < len(passwords):
        raise ValueError(f"{login} has two passwords of one name")
    return passwords


def _hashes(passwords: Iterable[Password]) -> list[bytes]:
    return [password.hash for password in passwords]


def _costs(passwords: Iterable[Password]) -> list[bytes]:
    found = (_COST.match(password.hash) for password in passwords)
    # $2a$ and $2y$ cost what $2b$ does.
    return [re.sub(rb"\A\$2[ay]", b"$2b", match[0]) if match else b"" for match in found]


REMEMBERED = 4096  # wrong answers, and as many that were given without a look

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Checked:
    """The password that it is; None for every kind of no. again: it was found wrong before."""

    password: Password | None
    again: bool = False


class LoginChecker:
    """Answers for the table that `table()` gives; a password taken out of it ends at once."""

    def __init__(
        self, table: Callable[[], LoginTable], right: RightPasswords | None = None
    ) -> None:
        """right: what earlier processes have found right."""
        self._table = table
        self._key = secrets.token_bytes(32)
        self._right = right or RightPasswords()
        # A phone with an old password asks for ever; its question is answered from here.
        self._wrong: OrderedDict[bytes, LoginTable] = OrderedDict()
        self._unseen: OrderedDict[bytes, None] = OrderedDict()

    def check(self, login: bytes, password: bytes) -> Password | None:
        """The password of that login that this is; None for every kind of no."""
        known = self.recall(login, password)
        if known is not None:
            return known.password
        table = self._table()
        found = search(table, login, password)
        self.remember(login, password, table, found)
        return found

    def recall(self, login: bytes, password: bytes) -> Checked | None:
        """What can be said without hashing anything; None where `search` has to look."""
        if not login or not password:
            return Checked(None)
        table = self._table()
        own = table.passwords_of(login)
        hashed = self._right.find(login, password, _hashes(own), table.most)
        if hashed is not None:
            return Checked(next(each for each in own if each.hash == hashed))
        if self._wrong.get(self._digest(login, password)) is table:
            return Checked(None, again=True)
        return None

    def pass_over(self, login: bytes, password: bytes) -> bool:
        """Note that nobody looks at it; whether it was so before."""
        digest = self._digest(login, password)
        again = digest in self._unseen
        _remember(self._unseen, digest, None)
        return again

    def remember(
        self, login: bytes, password: bytes, table: LoginTable, found: Password | None
    ) -> None:
        """What `search` found in that table."""
        if found is None:
            _remember(self._wrong, self._digest(login, password), table)
        else:
            self._right.add(login, password, found.hash)

    def finish(self) -> None:
        """Write what is not written yet."""
        self._right.finish()

    def _digest(self, login: bytes, password: bytes) -> bytes:
        question = len(login).to_bytes(4, "big") + login + password
        return hmac.new(self._key, question, hashlib.sha256).digest()


def search(
    table: LoginTable, login: bytes, password: bytes, go_on: Callable[[], None] = lambda: None
) -> Password | None:
    """Hash it as each of the login's, and of the decoys. Touches nothing that others use.

    go_on: called before each, and raises where it is no use any more.
    """
    for candidate in table.passwords_of(login):
        go_on()
        if matches(password, candidate.hash):
            return candidate
    for decoy in table.decoys(login):
        go_on()
        crypt(password, decoy)
    return None


def _remember(memory: OrderedDict[bytes, Value], digest: bytes, value: Value) -> None:
    memory[digest] = value
    memory.move_to_end(digest)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
