"""How long crypt(3) takes for a hash, and how long a login may wait for it: the one place.

It is worked out from the hash's scheme and cost (crypt(5)), for the longest password, and never
measured: what a start takes today, it takes on a busy machine, too. The seconds are those of a
common server of 2020; a small board takes three times as long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

# PAM waits two seconds for a question (LONGEST of pam/pam_signpost.c), and smtpd's parent process
# with it. What is worked out here may take four times as long.
LONGEST_QUESTION = 0.5
# Named in warnings: each login that is not remembered, and each guess, costs so much.
SLOW = 0.020

# Seconds for a password of 511 bytes; one of 12 takes an eighth of that with $6$ and $5$.
_SHA_ROUND = {b"6": 3.1e-6, b"5": 3.9e-6}
_SHA_USUAL_ROUNDS = 5000
_BCRYPT_COST_0 = 61e-6
_YESCRYPT_J9T = 15e-3  # the usual one: N = 4096, r = 32

_ALPHABET = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHA = re.compile(rb"\$([56])\$(?:rounds=([0-9]{1,9})\$)?")
_BCRYPT = re.compile(rb"\$2[aby]\$([0-9]{2})\$")
# Flavour, N and r, a character each; crypt_gensalt(3) writes nothing else.
_YESCRYPT = re.compile(rb"\$y\$j([./0-9A-Za-z])([./0-9A-Za-z])\$")


def check_seconds(hashed: bytes) -> float:
    """For one password; infinite where the hash is of no kind that is known here."""
    if found := _SHA.match(hashed):
        rounds = int(found[2]) if found[2] else _SHA_USUAL_ROUNDS
        return rounds * _SHA_ROUND[found[1]]
    if found := _BCRYPT.match(hashed):
        return _BCRYPT_COST_0 * 2.0 ** int(found[1])
    if found := _YESCRYPT.match(hashed):
        log_n, r = _ALPHABET.index(found[1]) + 1, _ALPHABET.index(found[2]) + 1
        return _YESCRYPT_J9T * 2.0 ** (log_n - 12) * r / 32
    return math.inf


def fit_a_question(hashes: Iterable[bytes]) -> bool:
    """Whether one password can be checked against all of these while somebody waits."""
    seconds = math.fsum(check_seconds(each) for each in hashes)
    return seconds <= LONGEST_QUESTION + 1e-9  # sums are not exact
