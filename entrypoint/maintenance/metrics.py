"""With METRICS_PORT: how things are is written down for the metrics' program, now and then.

Whoever looks is a child process (`entrypoint.metrics.looks`), and what takes long is looked at the
less often.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from entrypoint.config.settings import Settings
from entrypoint.log_line import LogLine
from entrypoint.processes import in_child

if TYPE_CHECKING:
    from entrypoint.metrics.looks import Certificate

_STATE_EVERY, _MAILBOXES_EVERY = 15.0, 300.0  # seconds
_STATE_SECONDS, _MAILBOXES_SECONDS = 45.0, 600.0
# Seconds of rest for each that a look takes.
_STATE_REST, _MAILBOXES_REST = 20, 100


class MetricsTicker:
    """Keeps when it looked last."""

    def __init__(
        self,
        state: Callable[[Certificate], Awaitable[Certificate]] | None = None,
        mailboxes: Callable[[list[str]], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state, self._mailboxes, self._clock = state or _state, mailboxes or _sizes, clock
        self._next_state = self._next_mailboxes = float("-inf")
        self._certificate: Certificate = (None, None)

    async def tick(self, settings: Settings) -> list[LogLine]:
        """Look at queue, certificate, blocks and disks if it is time. Raises OSError."""
        began = self._clock()
        if settings.metrics_port is None or began < self._next_state:
            return []
        try:
            self._certificate = await self._state(self._certificate)
        finally:
            self._next_state = self._later(began, _STATE_EVERY, _STATE_REST)
        return []

    async def tick_mailboxes(self, settings: Settings) -> list[LogLine]:
        """Look at the mailboxes if it is time. Raises OSError."""
        began = self._clock()
        if settings.metrics_port is None or began < self._next_mailboxes:
            return []
        try:
            await self._mailboxes([account.address for account in settings.accounts])
        finally:
            self._next_mailboxes = self._later(began, _MAILBOXES_EVERY, _MAILBOXES_REST)
        return []

    # Also of a look that failed, or that had no end in time.
    def _later(self, began: float, every: float, rest: int) -> float:
        now = self._clock()
        return now + max(every, rest * (now - began))


async def _state(before: Certificate) -> Certificate:
    from entrypoint.metrics.looks import look_at_state

    return await in_child(partial(look_at_state, before), _STATE_SECONDS)


async def _sizes(addresses: list[str]) -> None:
    from entrypoint.metrics.looks import look_at_mailboxes

    await in_child(partial(look_at_mailboxes, addresses), _MAILBOXES_SECONDS)
