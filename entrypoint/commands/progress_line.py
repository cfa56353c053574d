"""How far a long command is: one line on a terminal, written anew each second, or nothing."""

from __future__ import annotations

import sys
import time

import click

_EVERY = 1.0  # seconds


class ProgressLine:
    """The line, from the command's start to its end."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()
        self._begin = self._last = time.monotonic()

    def is_due(self) -> bool:
        """Whether somebody looks, and it was not just written."""
        return self._shows and time.monotonic() >= self._last + _EVERY

    def write(self, text: str, done: int) -> None:
        """text: how far it is, with `done` of whatever is counted."""
        self._last = time.monotonic()
        rate = done / (self._last - self._begin)
        click.echo(f"\r\x1b[K{text}, {rate:.0f} a second", nl=False, err=True)


def clear_line() -> None:
    """Before anything else is printed."""
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
