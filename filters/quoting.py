"""What a stranger wrote, as it may stand in a log line: quoted, on one line, and cut.

It stands last in its line, behind what is known for sure. It must not know what the line says.
"""

from __future__ import annotations

LONGEST = 200  # characters; an address of RFC 5321 §4.5.3.1 that is not meant to annoy has fewer


def quoted(text: str, longest: int = LONGEST) -> str:
    r"""`"text"` in printable ASCII, where only the last quotation mark is a bare one.

    `"` and `\` have a backslash before them, other characters are escapes (`\x1b`, `\u202e`). What
    is longer ends in `"...`.
    """
    cut = text[:longest].replace("\\", "\\\\").replace('"', '\\"')
    end = "..." if len(text) > longest else ""
    if cut.isascii() and cut.isprintable():  # nearly all
        return f'"{cut}"{end}'
    ascii_only = cut.encode("ascii", "backslashreplace").decode("ascii")
    safe = "".join(char if " " <= char <= "~" else f"\\x{ord(char):02x}" for char in ascii_only)
    return f'"{safe}"{end}'
