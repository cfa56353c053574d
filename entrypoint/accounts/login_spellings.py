"""A domain in A-labels → its spellings in U-labels, for a login at Dovecot.

Dovecot compares logins by their bytes and makes small only what is ASCII, so every spelling that it
is to know stands in a file. `filters.login_name`, which reads any, says what each one means.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from filters.login_name import login_name

# Of a domain with more letters outside of ASCII, all are small, or all are capital.
_MOST_LETTERS = 8


def spellings(domain: str) -> tuple[str, ...]:
    """Each in lower case but for the letters outside of ASCII; empty where there are none."""
    written = ".".join(map(_u_label, domain.split(".")))
    candidates = dict.fromkeys(_cases(written))
    return tuple(each for each in candidates if not each.isascii() and login_name(each) == domain)


def _u_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _cases(text: str) -> Iterator[str]:
    choices = [(char, _capital(char)) if char != _capital(char) else (char,) for char in text]
    if sum(len(each) == 2 for each in choices) <= _MOST_LETTERS:
        yield from map("".join, product(*choices))
    else:
        yield from ("".join(each[at] for each in choices) for at in (0, -1))


def _capital(char: str) -> str:
    """The capital of a letter outside of ASCII that has one; else the character itself."""
    if char == "ß":
        return "ẞ"
    capital = char.upper()
    return capital if not char.isascii() and len(capital) == 1 and not capital.isascii() else char
