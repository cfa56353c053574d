"""What is done now and then: each duty beside the others, and one that hangs holds up none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from entrypoint.config.environ import load
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.log_line import LogLine
from entrypoint.maintenance.duties import Duty, repeat

SETTINGS = load({}, host=HostFacts(ipv6=False))
Lines = Sequence[LogLine]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_duty_that_hangs_or_fails_is_logged_once_and_hinders_no_other(
    logged: list[tuple[str, str]],
) -> None:
    ticks = {"hangs": 0, "fails": 0, "works": 0}

    def doing(name: str, work: Callable[[], Awaitable[Lines]], seconds: float = 60) -> Duty:
        async def tick(settings: Settings) -> Lines:
            ticks[name] += 1
            assert settings is SETTINGS
            return await work()

        return Duty(name, 0.02, tick, seconds)

    async def hang() -> Lines:
        await asyncio.sleep(60)
        return []

    async def fail() -> Lines:
        raise OSError("no network")

    async def work() -> Lines:
        return [LogLine("info", "done")]

    async def scene() -> None:
        duties = [doing("hangs", hang, 0.05), doing("fails", fail), doing("works", work)]
        tasks = [asyncio.create_task(repeat(duty, lambda: SETTINGS)) for duty in duties]
        await until(lambda: min(ticks.values()) >= 4)
        for task in tasks:
            task.cancel()

    asyncio.run(scene())
    assert logged.count(("error", "hangs: no end within 0.05 s")) == 1
    assert logged.count(("error", "fails: OSError: no network")) == 1
    assert logged.count(("info", "done")) >= 4


def test_a_duty_that_is_woken_does_not_wait_for_its_time() -> None:
    ticks = 0

    async def tick(settings: Settings) -> Lines:
        nonlocal ticks
        ticks += 1
        return []

    async def scene() -> None:
        duty = Duty("any", 3600.0, tick, 60.0)
        task = asyncio.create_task(repeat(duty, lambda: SETTINGS))
        await until(lambda: ticks == 1)
        duty.wake.set()
        await until(lambda: ticks == 2)
        task.cancel()

    asyncio.run(scene())


def test_no_duty_is_done_without_a_configuration() -> None:
    given: list[Settings] = []

    async def tick(settings: Settings) -> Lines:
        given.append(settings)
        return []

    async def scene() -> None:
        asked = 0

        def settings() -> Settings | None:
            nonlocal asked
            asked += 1
            return SETTINGS if asked > 2 else None

        task = asyncio.create_task(repeat(Duty("any", 0.01, tick, 60.0), settings))
        await until(lambda: bool(given))
        assert asked == 3
        task.cancel()

    asyncio.run(scene())
