"""crypt(3): whether a password is the one that a hash was made of.

The same library that smtpd and Dovecot check with. It must not know whose password it is.
"""

from __future__ import annotations

import ctypes
import functools
import hmac

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
