"""Accounts whose files Dovecot may not read or write, by its log; maintenance cures that.

A note is a file in a folder of root's. Standard library only, as all that the log goes through.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from entrypoint.paths import DENIED

# `imap(alice@example.org)<71><id>: Error: open(PATH) failed: Permission denied (euid=…`
_DENIED = re.compile(
    r"[a-z]+\(([^\s()/<>]+@[^\s()/<>]+)\)[^\s:]*: (?:Error|Fatal): "
    r".*: (?:Permission denied|Operation not permitted)\b"
)


def denied(line: str) -> str | None:
    """The account, where a line says so."""
    match = _DENIED.match(line)
    return match and match[1]


def note_denied(account: str, folder: Path = DENIED) -> None:
    """Once for many."""
    with contextlib.suppress(OSError):  # a name that is too long is no account's
        (folder / account).touch()
