r"""`session=… reason="…" from="…"` → its fields: `filters.quoting` undone.

Only the row of fields at the beginning counts: what a stranger wrote stands quoted, and a quotation
mark in it has a backslash.
"""

from __future__ import annotations

import re

# `"text"` or `"text"...`, or a word.
QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"(?:\.\.\.)?'
_FIELD = re.compile(rf"([a-z][a-z-]*)=({QUOTED}|[^\s\"]\S*)(?: |$)")
# Several words, which most of them are.
_PLAIN = re.compile(r"(?:[a-z][a-z-]*=[^\s\"]\S* )*")
_BACKSLASHED = re.compile(r'\\(["\\])')


def unquoted(text: str) -> str:
    r"""The text itself; escapes of characters (`\x1b`) stay as they are."""
    if not text.startswith('"'):
        return text
    cut = text.endswith("...")
    inner = text[1 : -4 if cut else -1]
    if "\\" in inner:
        inner = _BACKSLASHED.sub(r"\1", inner)
    return f"{inner}..." if cut else inner


def leading_fields(text: str) -> tuple[dict[str, str], str]:
    """The fields that the text begins with, and the rest of it. The first of a name counts."""
    found: dict[str, str] = {}
    plain = _PLAIN.match(text)
    at = plain.end() if plain else 0
    for word in text[:at].split():
        name, _, value = word.partition("=")
        found.setdefault(name, value)
    while match := _FIELD.match(text, at):
        name, value = match.groups()
        if name not in found:
            found[name] = unquoted(value) if value[0] == '"' else value
        at = match.end()
    return found, text[at:]
