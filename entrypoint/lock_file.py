"""One process at a time, by a file that is locked and never removed."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every other process from entering. The system ends it with this process.

    Waits as long as it takes. A disk that takes nothing is no hindrance to those who only read.
    Raises OSError.
    """
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            raise
    # As good as the file, which is there unless nothing was ever written here.
    where = path if path.exists() else path.parent
    return os.open(where, os.O_RDONLY | os.O_CLOEXEC)
