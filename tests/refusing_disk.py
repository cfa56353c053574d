"""A folder whose disk takes nothing, for real code in this process.

What Python does with files is announced to audit hooks, which may refuse it: the error that the
kernel would give comes from there. (A hook is for the whole life of a process, so it has a switch.)
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_refused: list[tuple[str, int]] = []
_CHANGES = {"os.mkdir", "os.chmod", "os.chown", "os.rename", "os.remove", "os.rmdir", "os.link"}
# On a full disk what is there may go, and be another's.
_NEEDS_ROOM = {"os.mkdir", "os.link"}
_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _refused:
        return
    folder, number = _refused[-1]
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, int) or not (flags or 0) & _TO_WRITE:
            return
        # On a full disk what is there can be opened.
        if number != errno.EROFS and os.access(path, os.F_OK):
            return
    elif event in (_CHANGES if number == errno.EROFS else _NEEDS_ROOM):
        path = arguments[0]
    else:
        return
    if str(path).startswith(folder):
        raise OSError(number, os.strerror(number), str(path))


_hooked = False


def names_in(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def refusing(folder: Path, number: int = errno.ENOSPC) -> Iterator[None]:
    """Inside, nothing new can be written below the folder."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    _refused.append((str(folder), number))
    try:
        yield
    finally:
        _refused.pop()
