"""A stranger's text, made harmless to show on a terminal or a page.

It must not know whose text it is, nor where it is shown.
"""

from __future__ import annotations


def neutral(text: str) -> str:
    r"""The text on one line; what does not print is escaped (`\x1b`, `\n`, `\u202e`).

    That covers control characters of both sets (C0, C1), bidirectional overrides, invisible
    format characters, line separators and lone surrogates. Letters of every script stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
