"""What is done now and then while the server runs, each duty beside the others.

It must not know what a duty does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from entrypoint.config.settings import Settings
from entrypoint.log import write_lines
from entrypoint.log_line import LogLine
from filters.log_throttle import LogThrottle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Duty:
    """tick: is given the settings, and returns what is for the log. seconds: its time for one tick.

    every: the seconds from the end of a tick to the next, unless `wake` is set before.
    """

    name: str
    every: float
    tick: Callable[[Settings], Awaitable[Sequence[LogLine]]]
    seconds: float
    wake: asyncio.Event = field(default_factory=asyncio.Event)


async def repeat(duty: Duty, settings: Callable[[], Settings | None]) -> None:
    """Do the duty until cancelled; what goes wrong is logged once, and ends nothing."""
    failing = LogThrottle(log)
    while True:
        if (current := settings()) is not None:
            try:
                async with asyncio.timeout(duty.seconds):
                    write_lines(log, await duty.tick(current))
                failing.recovered()
            except TimeoutError:
                trouble = f"no end within {duty.seconds:g} s"
                failing.error("%s: %s", duty.name, trouble, cause=trouble)
            except Exception as error:
                trouble = f"{type(error).__name__}: {error}"
                failing.error("%s: %s", duty.name, trouble, cause=trouble)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(duty.every):
                await duty.wake.wait()
        duty.wake.clear()
