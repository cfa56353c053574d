"""A file's newest good content: read again when the file changes, and a broken change refused."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Stamp = tuple[int, int, int]


def file_stamp(path: Path) -> Stamp | None:
    """What changes when the file is written or replaced; None where it is not there."""
    try:
        status = os.stat(path)  # noqa: PTH116 -- on a hot path; Path.stat costs twice as much
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


log = logging.getLogger(__name__)

Content = TypeVar("Content")


class LastGood(Generic[Content]):
    """`parse` makes the content of a text, or raises ValueError.

    The first reading raises ValueError or OSError; later ones only log.
    """

    def __init__(self, path: Path, parse: Callable[[str], Content]) -> None:
        self._path = path
        self._parse = parse
        self._stamp = file_stamp(path)
        self._content = parse(path.read_text("utf-8"))

    @property
    def content(self) -> Content:
        """The same object until the file changes."""
        stamp = file_stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._content = self._parse(self._path.read_text("utf-8"))
            except (OSError, ValueError) as error:
                log.error("%s: the changed file is not used: %s", self._path, error)
        return self._content
