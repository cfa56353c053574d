"""A junk filter that does not answer is logged once; what it can say itself, it logs itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from entrypoint.config.settings import Settings
from entrypoint.log_line import LogLine
from entrypoint.probe import junk_filter
from filters.log_throttle import Throttle

EVERY = 20.0  # seconds


class JunkFilterTicker:
    """Keeps what was said last. look: what is wrong, as `probe.junk_filter.silences` says it."""

    def __init__(self, look: Callable[[], Awaitable[list[str]]] = junk_filter.silences) -> None:
        self._look = look
        self._seen: set[str] = set()
        self._lasting = Throttle[str]()

    async def tick(self, settings: Settings) -> list[LogLine]:
        """Look once; the lines for the log. What is over at the next look is not said."""
        found = await self._look() if settings.junk_filter else []
        lasting = [text for text in found if text in self._seen]
        self._seen = set(found)
        over = sorted(self._lasting.lasting.difference(found))
        lines = [LogLine("warning", text) for text in self._lasting.news(lasting)]
        return lines + [LogLine("info", f"no longer so: {text}") for text in over]
