"""The zones of a running target: one for all, and one of its own for each run that has one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from entrypoint.test_target.zone_text import ZoneError, read_zone
from filters.capture.zones import RunZones

MOST_ZONES = 1_000
MOST_BYTES_TOGETHER = 16_000_000  # of text; in memory it is ten times as much

Publish = Callable[[str, Mapping[str, Any] | None], Awaitable[None]]


async def _nobody(run: str, names: Mapping[str, Any] | None) -> None:
    """Whoever answers questions looks here by himself."""


class ZoneTable:
    """run: in lower case; "" is the zone of all. served: what they answer.

    publish: given a run and its names (None: there are none any more), it returns once whoever
    verifies messages answers from them. It may raise OSError (TimeoutError is one), and then the
    caller does; the zone is as asked for. initial: the zone of all before anyone sets another, and
    again after `clear`.
    """

    def __init__(
        self, publish: Publish = _nobody, initial: Mapping[str, Any] | None = None
    ) -> None:
        self._publish = publish
        self._initial = dict(initial or {})
        self._names: dict[str, Mapping[str, Any]] = {"": self._initial}
        self._bytes: dict[str, int] = {}
        self.served = RunZones()
        self.served.put("", self._initial)
        self._lock = asyncio.Lock()

    async def set(self, run: str | None, text: str) -> Mapping[str, Any]:
        """A run's zone, or that of all; in the place of the one before. Raises ZoneError."""
        key = (run or "").lower()
        names = await asyncio.to_thread(read_zone, text)
        async with self._lock:
            self._make_room(key, len(text))
            self._bytes[key] = len(text)
            self._put(key, names)
            await self._publish(key, names)
        return names

    async def clear(self, run: str | None = None) -> int:
        """A run's own; without a run, every zone that was set. How many there were."""
        key = run.lower() if run else None
        async with self._lock:
            gone = [one for one in self._bytes if key is None or one == key]
            for one in gone:
                del self._bytes[one]
                self._put(one, None if one else self._initial)
            for one in gone:
                await self._publish(one, None if one else self._initial)
        return len(gone)

    def get(self, run: str | None = None) -> Mapping[str, Any] | None:
        """As it was set; None where the run has none of its own."""
        return self._names.get((run or "").lower())

    def runs(self) -> list[str]:
        """Those that have a zone of their own."""
        return sorted(run for run in self._names if run)

    def _put(self, key: str, names: Mapping[str, Any] | None) -> None:
        self.served.put(key, names)
        if names is None:
            del self._names[key]
        else:
            self._names[key] = names

    def _make_room(self, key: str, size: int) -> None:
        others = {one: taken for one, taken in self._bytes.items() if one != key}
        if len(others) >= MOST_ZONES or sum(others.values()) + size > MOST_BYTES_TOGETHER:
            raise ZoneError(
                f"no room for another zone: {MOST_ZONES} zones and {MOST_BYTES_TOGETHER} bytes"
                " together at most; delete those of runs that are over"
            )
