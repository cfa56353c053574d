"""XML as text: every element is made here, so that whatever stands in it is escaped."""

from __future__ import annotations

from html import escape  # of & < > and both quotes; a quarter of the memory of xml.sax

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def leaf(name: str, text: str) -> str:
    """An element with text in it."""
    return f"<{name}>{escape(text)}</{name}>\n"


def branch(name: str, *children: str, **attributes: str) -> str:
    """An element with elements in it, which leaf or branch made."""
    told = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{told}>\n{''.join(children)}</{name}>\n"


def document(root: str) -> bytes:
    """The bytes of a document; `root` is what branch made."""
    return (_DECLARATION + root).encode()
