"""Deliveries that had no answer of the junk filter in time: logged once, and when it is over.

The rest is logged by others: what it names as broken by itself, that it does not run or hangs by
supervisor and its watchdog.
"""

from __future__ import annotations

from collections.abc import Callable

from entrypoint.config.settings import Settings
from entrypoint.log_line import LogLine
from entrypoint.probe import junk_filter
from filters.log_throttle import Throttle

EVERY = 20.0  # seconds


class JunkFilterTicker:
    """Keeps what was said last. look: as `probe.junk_filter.late_answers`."""

    def __init__(self, look: Callable[[], list[str]] = junk_filter.late_answers) -> None:
        self._look = look
        self._seen: set[str] = set()
        self._lasting = Throttle[str]()

    async def tick(self, settings: Settings) -> list[LogLine]:
        """Look once; the lines for the log. What is over at the next look is not said."""
        found = self._look() if settings.junk_filter else []
        lasting = [text for text in found if text in self._seen]
        self._seen = set(found)
        over = sorted(self._lasting.lasting.difference(found))
        lines = [LogLine("warning", text) for text in self._lasting.news(lasting)]
        return lines + [LogLine("info", f"no longer so: {text}") for text in over]
