"""How texts are made comparable: in the store and in a query alike."""

from __future__ import annotations

import re

_SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
_SPLITTING = re.compile(r'[\ufeff\t><",;()\r\n]')


def fold(text: str) -> str:
    """Without case. Of the pieces the same comes as of the whole, so that substrings are found.

    The final sigma is what str.lower makes of a sigma that ends a word: it depends on what follows.
    """
    return text.lower().replace("ς", _SIGMA)


def clean(text: str) -> str:
    """Folded, on one line, without the signs that part addresses, one space between words."""
    return " ".join(fold(_SPLITTING.sub(" ", text)).split())
