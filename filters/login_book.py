"""Whose passwords are whose: the small file that the image renders for `filters.logins`.

    {"logins": {"alice@example.org": {"hashes": [{"name": "", "hash": "$6$…"},
                                                 {"name": "phone", "hash": "$5$rounds=1000$…"}]}}}

The password without a name is the account's own, the others are app passwords. Hashes are those
of crypt(3). Logins are compared without regard to the case of ASCII letters, as smtpd does it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from filters.hash_cost import check_seconds, fit_a_question

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
class LoginBook:
    """The passwords of every login, by the login in lower case."""

    logins: Mapping[bytes, tuple[Password, ...]]
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
        object.__setattr__(self, "_too_slow", frozenset(too_slow))
        object.__setattr__(self, "_dearest", dearest)
        object.__setattr__(self, "_sample", sample)

    @classmethod
    def from_json(cls, text: str) -> LoginBook:
        """Read the rendered file. Raises ValueError where it is not of that form."""
        try:
            return cls(
                {
                    login.encode().lower(): _passwords(login, entry["hashes"])
                    for login, entry in json.loads(text)["logins"].items()
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no book of logins: {error!r}") from error

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
    return [match[0] if match else b"" for match in found]
