"""What is done now and then while the server runs, each duty beside the others.

It must not know what a duty does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from entrypoint.config.settings import Settings
from entrypoint.maintenance.once import Once
from entrypoint.maintenance.reload import Log


@dataclass(frozen=True)
class Duty:
    """tick: is given the settings, and returns level and text. seconds: its time for one tick.

    every: the seconds from the end of a tick to the next, unless `wake` is set before.
    """

    name: str
    every: float
    tick: Callable[[Settings], Awaitable[Sequence[tuple[str, str]]]]
    seconds: float
    wake: asyncio.Event = field(default_factory=asyncio.Event)


async def repeat(duty: Duty, settings: Callable[[], Settings | None], log: Log) -> None:
    """Do the duty until cancelled; what goes wrong is logged once, and ends nothing."""
    once = Once(log)
    while True:
        if (current := settings()) is not None:
            trouble: list[tuple[str, str]] = []
            try:
                async with asyncio.timeout(duty.seconds):
                    for level, text in await duty.tick(current):
                        log(level, text)
            except TimeoutError:
                trouble = [("error", f"{duty.name}: no end within {duty.seconds:g} s")]
            except Exception as error:
                trouble = [("error", f"{duty.name}: {type(error).__name__}: {error}")]
            once.say(duty.name, trouble)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(duty.every):
                await duty.wake.wait()
        duty.wake.clear()
