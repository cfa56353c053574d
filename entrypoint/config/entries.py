"""Lists inside one variable: words, and entries of `key: value` one a line.

It must not know what an entry means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STARTS_AN_ENTRY = re.compile(r"\s*[^\s:@]*@[^\s:@]+\s*:")


@dataclass(frozen=True)
class Entry:
    """One entry and where it stands: `line 3` or, in the form by comma, `entry 3`.

    `certain` is False where the text may be a piece of the entry before it that held a comma.
    """

    place: str
    text: str
    certain: bool


def words(text: str) -> list[str]:
    """The words of a list by comma, space or newline."""
    return [word for word in re.split(r"[,\s]+", text) if word]


def lines(text: str) -> list[str]:
    """One value a line; blank lines and lines that begin with # are passed over."""
    stripped = (line.strip() for line in re.split(r"\r?\n", text))
    return [line for line in stripped if line and not line.startswith("#")]


def entries(text: str) -> list[Entry]:
    """One entry a line, or by comma where there is no newline.

    A file, and a block in YAML, end in a newline even if they hold a single line: such a line is
    taken by comma only if each part begins like an entry of its own. Blank lines and lines that
    begin with # are passed over.
    """
    lines = re.split(r"\r?\n", text)
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if len(filled) == 1 and not filled[0][1].lstrip().startswith("#"):
        parts = filled[0][1].split(",")
        if len(lines) == 1 or all(_STARTS_AN_ENTRY.match(part) for part in parts):
            return [
                Entry(f"entry {number}", part.lstrip(), certain=number == 1)
                for number, part in enumerate(parts, 1)
                if part.strip()
            ]
    return [
        Entry(f"line {number}", line.lstrip(), certain=True)
        for number, line in filled
        if not line.lstrip().startswith("#")
    ]
