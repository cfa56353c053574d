"""What is wrong is logged once, and again only when it has been otherwise in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Line = tuple[str, str]


class Once:
    """log takes a level and a line."""

    def __init__(self, log: Callable[[str, str], None]) -> None:
        self._log = log
        self._last: dict[str, frozenset[Line]] = {}

    def say(self, subject: str, lines: Sequence[Line], *, quiet: bool = False) -> None:
        """Log of these what the last lines of the subject did not have. quiet: nothing for now."""
        last = self._last.get(subject, frozenset())
        for level, text in lines:
            if (level, text) not in last and not quiet:
                self._log(level, text)
        self._last[subject] = frozenset(lines)
