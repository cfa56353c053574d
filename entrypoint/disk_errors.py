"""A disk that takes nothing: what such an error says to a person, and its cure.

It must not know which disks there are.
"""

from __future__ import annotations

import errno

from entrypoint.neutral import neutral

_FULL = {
    errno.ENOSPC: "no space left on its disk",
    errno.EDQUOT: "the disk quota is used up",
}
MAKE_ROOM = "make room, or give the volume a larger disk"
MAKE_WRITABLE = "mount it writable"


def takes_nothing(error: OSError) -> bool:
    """Is the disk full, its quota used up, or is it read-only?"""
    return error.errno == errno.EROFS or error.errno in _FULL


def explained(error: OSError) -> str:
    """Where, what and the cure, on one line."""
    where = "" if error.filename is None else f"{neutral(str(error.filename))}: "
    if error.errno == errno.EROFS:
        return f"{where}its disk is read-only; {MAKE_WRITABLE}"
    if error.errno in _FULL:
        return f"{where}{_FULL[error.errno]}; {MAKE_ROOM}"
    return f"{where}{neutral(error.strerror or str(error))}"
