"""A log line about a state that lasts: said when it begins, and not with every message after that.

It must not know what is said.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable


class LogThrottle:
    """One line that many events would write.

    It is written at most once in `seconds`, and anew as soon as it has `recovered` in between, or
    has another cause.
    """

    def __init__(
        self,
        log: logging.Logger,
        seconds: float = math.inf,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._seconds = seconds
        self._clock = clock
        self._silent_until = -math.inf
        self._cause: object = None

    def warning(self, text: str, *values: object, cause: object = None) -> None:
        """Log a warning, unless that has been done lately for the same cause."""
        self._write(logging.WARNING, text, values, cause)

    def error(self, text: str, *values: object, cause: object = None) -> None:
        """Log an error, unless that has been done lately for the same cause."""
        self._write(logging.ERROR, text, values, cause)

    def recovered(self, text: str | None = None, *values: object) -> None:
        """It works again: the next failure is news. The text is logged if there was a failure."""
        if self._silent_until == -math.inf:
            return
        self._silent_until = -math.inf
        if text is not None:
            self._log.info(text, *values)

    def _write(self, level: int, text: str, values: tuple[object, ...], cause: object) -> None:
        now = self._clock()
        if now >= self._silent_until or cause != self._cause:
            self._silent_until, self._cause = now + self._seconds, cause
            self._log.log(level, text, *values)
