"""What the image's programs log, as values."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


class _Collected(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname.lower(), record.getMessage()))


@pytest.fixture
def logged() -> Iterator[list[tuple[str, str]]]:
    """Level and text of everything that is logged meanwhile."""
    log, handler = logging.getLogger("entrypoint"), _Collected()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield handler.lines
    log.removeHandler(handler)
    log.setLevel(before)
