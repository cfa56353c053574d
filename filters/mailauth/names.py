"""Domain names as mail authentication accepts them: LDH labels, lower-case A-labels.

It must not know DNS, messages or any of the protocols.
"""

import functools
import re

# RFC 5890 §2.3.1; no underscore: neither an author domain nor d= or s= may hold one.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

# IDNA 2003 (the standard library's) maps these to something else than IDNA 2008 does, so two
# readers would see two domains; a name with one of them belongs to nobody here.
_DEVIATIONS = frozenset("\u00df\u03c2\u200c\u200d\u3002\uff0e\uff61")


def ldh(text: str) -> str | None:
    """Return the lower-case domain if every label is an LDH label, else None."""
    return _ldh(text) if 0 < len(text) <= 253 and text.isascii() else None


@functools.lru_cache(maxsize=2048)  # a message names the same few domains again and again
def _ldh(text: str) -> str | None:
    lower = text.lower()
    return lower if all(_LABEL.fullmatch(label) for label in lower.split(".")) else None


def a_label(text: str) -> str | None:
    """Return the domain as lower-case A-labels, or None where it is no domain (RFC 5891)."""
    if text.isascii():
        return ldh(text)
    # Long input is refused before the codec, whose work is not linear.
    if len(text) > 253 or not _DEVIATIONS.isdisjoint(text):
        return None
    try:
        return ldh(text.encode("idna").decode("ascii"))
    except UnicodeError:
        return None
