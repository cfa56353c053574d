"""A log line about a state that lasts: said when it begins, and not with every message after that.

It must not know what is said.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

Trouble = TypeVar("Trouble", bound=Hashable)


class Throttle(Generic[Trouble]):
    """Troubles that last, of one kind: which of them are news.

    Each is so when it begins, again when it has lasted `seconds`, and anew when it was over in
    between.
    """

    def __init__(
        self, seconds: float = math.inf, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._silent_until: dict[Trouble, float] = {}

    def news(self, troubles: Iterable[Trouble]) -> list[Trouble]:
        """Of all that there are now, those to be said, in their order; every other one is over."""
        now, news = self._clock(), list[Trouble]()
        before, self._silent_until = self._silent_until, {}
        for trouble in dict.fromkeys(troubles):
            until = before.get(trouble, -math.inf)
            if now >= until:
                news.append(trouble)
                until = now + self._seconds
            self._silent_until[trouble] = until
        return news

    @property
    def lasting(self) -> frozenset[Trouble]:
        """The troubles that there were last."""
        return frozenset(self._silent_until)


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
        self._causes = Throttle[object](seconds, clock=clock)

    def warning(self, text: str, *values: object, cause: Hashable = None) -> None:
        """Log a warning, unless that has been done lately for the same cause."""
        self._write(logging.WARNING, text, values, cause)

    def error(self, text: str, *values: object, cause: Hashable = None) -> None:
        """Log an error, unless that has been done lately for the same cause."""
        self._write(logging.ERROR, text, values, cause)

    def recovered(self, text: str | None = None, *values: object) -> None:
        """It works again: the next failure is news. The text is logged if there was a failure."""
        failed = self._causes.lasting
        self._causes.news(())
        if failed and text is not None:
            self._log.info(text, *values)

    def _write(self, level: int, text: str, values: tuple[object, ...], cause: Hashable) -> None:
        if self._causes.news([cause]):
            self._log.log(level, text, *values)
