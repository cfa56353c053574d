"""A trouble that lasts is logged when it begins and when it is over, and not each time."""

from __future__ import annotations

import logging


class Trouble:
    """One thing that can fail again and again. what: how the log calls it."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log, self._what = log, what
        self._cause: str | None = None

    def failed(self, error: Exception, consequence: str) -> None:
        """It failed; logged unless it failed for the same cause the last time."""
        cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if cause != self._cause:
            self._cause = cause
            self._log.error("%s: %s: %s", self._what, consequence, cause)

    def over(self) -> None:
        """It went well; logged if it had failed the last time."""
        if self._cause is not None:
            self._cause = None
            self._log.info("%s: written again", self._what)
