"""Passwords and their crypt(3) hashes, by the same library that logins are checked with.

It must not know where a password comes from, and no text of an error here holds one.
"""

from __future__ import annotations

import math
import re
import secrets
import string

from entrypoint.config.problems import BrokenRuleError
from filters.credentials import LONGEST_PASSWORD, MOST_PASSWORDS, crypt
from filters.hash_cost import LONGEST_QUESTION, check_seconds

_PREFIXES = ("$y$", "$6$", "$5$", "$2b$")

SALT = "./" + string.digits + string.ascii_letters  # crypt(5)
_LETTERS = "abcdefghjkmnpqrstuvwxyz"
_B64 = "./0-9A-Za-z"
_ROUNDS = r"(?:rounds=(?P<rounds>[1-9][0-9]{3,8})\$)?"
# crypt(5). The last character of a hash carries fewer bits than the others; a hash with any other
# there can match no password.
_SHAPES = {
    "$y$": re.compile(rf"\$y\$j[{_B64}]{{2,16}}\$[{_B64}]{{1,86}}\$[{_B64}]{{43}}"),
    "$6$": re.compile(rf"\$6\${_ROUNDS}[{_B64}]{{1,16}}\$[{_B64}]{{85}}[./01]"),
    "$5$": re.compile(rf"\$5\${_ROUNDS}[{_B64}]{{1,16}}\$[{_B64}]{{42}}[./0-9A-D]"),
    # $2y$ is what PHP, htpasswd and others write for $2b$ (crypt(5)).
    **{
        f"$2{letter}$": re.compile(
            rf"\$2{letter}\$(0[4-9]|[12][0-9]|3[01])\$[{_B64}]{{21}}[.Oeu][{_B64}]{{31}}"
        )
        for letter in "by"
    },
}
# What only begins with $2y$ has always been a plain password.
_BCRYPT_2Y = re.compile(rf"\$2y\$[0-9]{{2}}\$[{_B64}]{{53}}")
# Whole hashes of schemes that are not taken. What only begins like one is a plain password.
_REFUSED = (
    (re.compile(r"\$argon2(id|i|d)\$.*"), "smtpd cannot check Argon2 (crypt(3) does not know it)"),
    (
        re.compile(rf"\$2[ax]\$[0-9]{{2}}\$[{_B64}]{{53}}"),
        "a bcrypt hash is taken with the prefix $2b$ or $2y$ only",
    ),
    (re.compile(rf"\$1\$[{_B64}]{{1,8}}\$[{_B64}]{{22}}"), "MD5 hashes are too weak"),
    (re.compile(rf"\$7\$[{_B64}]{{11,}}(\$[{_B64}]{{43}})"), "scrypt hashes are not taken"),
    (
        re.compile(r"\{[A-Za-z0-9][A-Za-z0-9.-]*\}.+"),
        "smtpd cannot check a hash with a {SCHEME} before it",
    ),
)
_CURE = (
    "give the plain password, or a hash that begins with $y$, $6$, $5$, $2b$ or $2y$ "
    "(mkpasswd -m sha512crypt)"
)
_GENERATED = "$5$rounds=1000$"
# Beside it a login may have as many app passwords as it can; see filters.hash_cost.
LONGEST_CHECK = LONGEST_QUESTION - (MOST_PASSWORDS - 1) * check_seconds(_GENERATED.encode())


def is_hash(secret: str) -> bool:
    """Is this a hash (True) or a plain password (False)? BrokenRuleError if it is neither.

    A space around a plain password is more often a slip than meant, and with it no login works.
    """
    for shape, why in _REFUSED:
        if shape.fullmatch(secret):
            raise BrokenRuleError(why, _CURE)
    if begins_like_hash(secret):
        if not well_formed(secret):
            raise BrokenRuleError(
                "a malformed hash",
                "copy it whole; in compose.yaml write each $ as $$ (mkpasswd -m sha512crypt)",
            )
        seconds = check_seconds(secret.encode())
        if seconds > LONGEST_CHECK:
            raise BrokenRuleError(
                f"a hash that takes {seconds_in_words(seconds)} to check: a login would time out",
                f"give one that takes at most {seconds_in_words(LONGEST_CHECK)} "
                "(mkpasswd -m sha512crypt)",
            )
        return True
    if not secret:
        raise BrokenRuleError("an empty password", "write one after the first colon")
    if any(char in secret for char in "\0\r\n"):
        raise BrokenRuleError("a password may not hold NUL, CR or LF", "choose another")
    if secret != secret.strip():
        raise BrokenRuleError(
            "white space before or after a password",
            "take it out; if it is meant, give the password's hash",
        )
    if len(secret.encode()) > LONGEST_PASSWORD:
        raise BrokenRuleError(f"a password has at most {LONGEST_PASSWORD} bytes", "choose another")
    return False


_FEW = 8
SHORT = "has fewer than eight characters and is soon guessed; choose a longer one"


def is_short(plain: str) -> bool:
    """Is it to be warned of?"""
    return len(plain) < _FEW


def begins_like_hash(text: str) -> bool:
    """Is this meant as a hash, whole or not?"""
    return text.startswith(_PREFIXES) or _BCRYPT_2Y.fullmatch(text) is not None


def well_formed(hashed: str) -> bool:
    """Has this the shape of a crypt(3) hash of the schemes that are taken?"""
    return any(
        hashed.startswith(prefix) and shape.fullmatch(hashed) is not None
        for prefix, shape in _SHAPES.items()
    )


def seconds_in_words(seconds: float) -> str:
    """How long a check takes, for a message."""
    if math.isinf(seconds):
        return "an unknown time"
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.0f} s"


def hash_password(plain: str, salt: str | None = None) -> str:
    """The `$6$` hash (SHA-512-crypt) of a password of 1 to 511 bytes without NUL, CR or LF.

    salt: sixteen characters of SALT, by default random ones.

    Logins are checked one after the other: the usual 5,000 rounds take about 2 ms. The cost grows
    with the password's length, hence fewer rounds for one so long that nobody guesses it.
    """
    if not plain or any(char in plain for char in "\0\r\n"):
        raise ValueError("a password is not empty and holds no NUL, CR or LF")
    rounds = "rounds=1000$" if len(plain.encode()) >= 128 else ""
    return _crypt(plain, f"$6${rounds}{salt or _salt()}$")


def generate_password() -> str:
    """Sixteen letters in groups of four, such as `kxqm-dapw-zeub-htrs`: 72 bits.

    i, l and o are not among them: a person types it from a screen.
    """
    letters = [secrets.choice(_LETTERS) for _ in range(16)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, 16, 4))


def hash_generated(plain: str) -> str:
    """The `$5$` hash of a generated password: what nobody can guess needs the fewest rounds.

    A wrong password is tried against each of an account's hashes.
    """
    return _crypt(plain, f"{_GENERATED}{_salt()}$")


def _salt() -> str:
    return "".join(secrets.choice(SALT) for _ in range(16))


def _crypt(phrase: str, setting: str) -> str:
    made = crypt(phrase.encode(), setting.encode())
    if made is None:
        raise ValueError("crypt(3) does not take this password or this hash")
    return made.decode("ascii")
