"""crypt(3): whether a password is the one that a hash was made of.

The same library that smtpd and Dovecot check with. It must not know whose password it is.
"""

from __future__ import annotations

import ctypes
import functools
import hmac
import threading

LONGEST_PASSWORD = 511  # bytes; crypt(3) refuses a longer one

_lock = threading.Lock()  # crypt() returns a buffer of its own


def crypt(phrase: bytes, setting: bytes) -> bytes | None:
    """The hash of a phrase under a setting, or under a hash made with it; None if it has none."""
    if b"\0" in phrase or b"\0" in setting:
        return None
    with _lock:
        result: bytes | None = _library().crypt(phrase, setting)
    # A failure is NULL or a token that begins with "*" (crypt(3)).
    return None if not result or result.startswith(b"*") else result


def matches(phrase: bytes, hashed: bytes) -> bool:
    """Compared in constant time. The hash decides what it costs, the phrase's length too."""
    made = crypt(phrase, hashed)
    return made is not None and hmac.compare_digest(made, hashed)


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    library.crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    return library
