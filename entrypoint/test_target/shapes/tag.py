"""Tags: which names may be one, and which a message brings with it."""

from __future__ import annotations

import re

from entrypoint.test_target.messages.header import Header
from entrypoint.test_target.shapes.envelope import Correspondents

_MOST_CHARACTERS = 100
_INVALID = re.compile(r"[^\w .@-]")
_PLUS = re.compile(r"\A[^+@]*\+(.+)@", re.DOTALL)


def clean_tag(name: str) -> str:
    """Letters, digits, `-`, `_`, `.`, `@` and single spaces; "" if nothing of that is left."""
    return " ".join(_INVALID.sub(" ", name).split())[:_MOST_CHARACTERS].strip()


def clean_tags(names: list[str]) -> list[str]:
    """Each once, whatever its case, in the alphabet's order."""
    found: dict[str, str] = {}
    for name in map(clean_tag, names):
        if name:
            found.setdefault(name.lower(), name)
    return [found[key] for key in sorted(found)]


def tags_of_message(header: Header, who: Correspondents) -> list[str]:
    """Of the X-Tags field, and of sub-addresses: `user+tag@` has the tag `tag`."""
    names = header.text("X-Tags").split(",")
    for mailbox in (*who.to, *who.cc, *who.bcc, who.from_):
        match = _PLUS.match(mailbox.address)
        names.extend(match[1].split("+") if match else ())
    return clean_tags(names)
