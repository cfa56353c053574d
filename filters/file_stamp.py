"""Tells whether a file has changed, without reading it."""

from __future__ import annotations

import os
from pathlib import Path

Stamp = tuple[int, int, int]


def file_stamp(path: Path) -> Stamp | None:
    """What changes when the file is written or replaced; None where it is not there."""
    try:
        status = os.stat(path)  # noqa: PTH116 -- on a hot path; Path.stat costs twice as much
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
