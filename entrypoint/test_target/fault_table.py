"""The faults of a running target, and who has to ask about commands while there are some."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from entrypoint.test_target.chaos import Triggers
from entrypoint.test_target.faults import Command, FaultRequest, Faults, FaultScript, FaultStep

Announce = Callable[[bool], Awaitable[None]]


async def _nobody(present: bool) -> None:
    """Whoever answers commands looks here by himself."""


class FaultTable:
    """announce: says that from now on commands are to be asked about (True), or need not be.

    It returns once that holds; so what the API has answered for holds for the next command. It may
    raise OSError (TimeoutError is one), and then the caller does; the faults are as asked for.
    """

    def __init__(self, announce: Announce = _nobody) -> None:
        self._announce = announce
        self._faults = Faults()
        self._announced = False
        self._lock = asyncio.Lock()

    async def add(self, request: FaultRequest) -> FaultScript:
        """Raises ValueError where there are too many."""
        fault = self._faults.add(request)
        await self._say()
        return fault

    async def clear(self, *, fault_id: str | None = None, run: str | None = None) -> int:
        """One, or a run's, or all; how many there were."""
        count = self._faults.clear(fault_id=fault_id, run=run)
        await self._say()
        return count

    async def set_triggers(self, triggers: Triggers) -> None:
        """Mailpit's chaos, from the next command on."""
        self._faults.triggers = triggers
        await self._say()

    def listed(self, run: str | None = None) -> Sequence[FaultScript]:
        """All of them, or one run's, in their order."""
        return self._faults.listed(run)

    def triggers(self) -> Triggers:
        """Those of now."""
        return self._faults.triggers

    @property
    def present(self) -> bool:
        """Whether commands have to be asked about; for who has just come and was not told."""
        return bool(self._faults)

    def step_for(self, command: Command, now: float) -> FaultStep | None:
        """What becomes of a command: the faults' step, else chaos's; None: nothing special."""
        return self._faults.step_for(command, now)

    async def _say(self) -> None:
        async with self._lock:  # what is said last is what holds
            if self._announced != self.present:
                present = self.present
                await self._announce(present)
                self._announced = present
