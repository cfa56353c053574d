"""Files that the host has replaced behind a mount: each is logged once, and when it is over."""

from __future__ import annotations

from collections.abc import Callable

from entrypoint import mounted_files
from entrypoint.config.settings import Settings
from entrypoint.log_line import LogLine
from filters.log_throttle import Throttle


class MountedFilesTicker:
    """Keeps what was said last. look: what is replaced, as `mounted_files.replaced` says it."""

    def __init__(self, look: Callable[[], list[str]] = mounted_files.replaced) -> None:
        self._look = look
        self._old = Throttle[str]()

    async def tick(self, settings: Settings) -> list[LogLine]:
        """Look once; the lines for the log. Raises OSError or ValueError."""
        found = self._look()
        over = sorted(self._old.lasting.difference(found))
        lines = [
            LogLine("error", f"{text}: {mounted_files.CURE}") for text in self._old.news(found)
        ]
        return lines + [LogLine("info", f"no longer so: {text}") for text in over]
