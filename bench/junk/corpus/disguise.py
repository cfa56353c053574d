"""Text that a person reads and a filter does not: what spam does often, and ham now and then.

Newsletters pad their preview line with zero-width characters, word processors leave comments within
words, physicists write Greek: so nothing here belongs to one class.
"""

from __future__ import annotations

from bench.junk.corpus.draw import Draw

LOOKALIKES = str.maketrans("aeopcxyiABEHKMOPTX", "аеорсхуіАВЕНКМОРТХ")  # noqa: RUF001
LEET = str.maketrans("aeiost", "4310$7")
INVISIBLE = ("\u200b", "\u200c", "\u00ad", "\u2060", "\ufeff")
# Of all messages, in ham and in spam.
SHARES = {
    "lookalikes": (0.006, 0.07),
    "zero_width": (0.03, 0.08),
    "leet": (0.004, 0.03),
    "spaced": (0.006, 0.03),
    "comments": (0.02, 0.07),
    "hidden": (0.07, 0.13),
    "lines": (0.03, 0.05),
}


def disguises(draw: Draw, spam: bool) -> frozenset[str]:
    """What is done to a message."""
    return frozenset(name for name, shares in SHARES.items() if draw.chance(shares[spam]))


def disguised(draw: Draw, text: str, how: frozenset[str]) -> str:
    """The text as it is sent; links stay as they are."""
    return " ".join(
        word if "://" in word or not draw.chance(0.35) else _word(draw, word, how)
        for word in text.split(" ")
    )


def _word(draw: Draw, word: str, how: frozenset[str]) -> str:
    if "lookalikes" in how:
        word = word.translate(LOOKALIKES)
    if "leet" in how:
        word = word.translate(LEET)
    if "zero_width" in how and len(word) > 3:
        at = draw.whole(1, len(word) - 1)
        word = word[:at] + draw.one(INVISIBLE) + word[at:]
    if "spaced" in how and len(word) > 4:
        word = draw.one((" ", ".", "-")).join(word)
    return word


def commented(draw: Draw, markup: str) -> str:
    """HTML with a comment or an empty element within some words."""
    pieces = markup.split(" ")
    for at, word in enumerate(pieces):
        if word.isalpha() and len(word) > 4 and draw.chance(0.3):
            cut = draw.whole(1, len(word) - 1)
            inside = draw.one(
                (f"<!-- {draw.letters(5)} -->", "<!---->", "<b></b>", "<span></span>")
            )
            pieces[at] = word[:cut] + inside + word[cut:]
    return " ".join(pieces)
