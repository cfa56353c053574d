"""A junk filter in trouble is logged once, and when that is over."""

from __future__ import annotations

import asyncio

from entrypoint.config.settings import Settings
from entrypoint.log_line import LogLine
from entrypoint.maintenance.junk_filter import JunkFilterTicker

ON = Settings.model_construct(junk_filter=True)
OFF = Settings.model_construct(junk_filter=False)


def said(*looks: list[str], settings: Settings = ON) -> list[list[LogLine]]:
    """What is logged at each look."""
    left = list(looks)

    async def run() -> list[list[LogLine]]:
        ticker = JunkFilterTicker(lambda: left.pop(0))
        return [list(await ticker.tick(settings)) for _ in looks]

    return asyncio.run(run())


def test_it_is_said_once_and_when_it_is_over() -> None:
    found = said(["a"], ["a"], ["a", "b"], ["a"], [], ["a"], ["a"])
    warning, over = LogLine("warning", "a"), LogLine("info", "no longer so: a")
    assert found == [[], [warning], [], [], [over], [], [warning]]


def test_what_is_over_at_the_next_look_is_not_said() -> None:
    """A start of the program, or of the server."""
    assert said(["a"], [], ["a"], ["b"], []) == [[]] * 5


def test_a_filter_that_is_off_is_not_asked() -> None:
    assert said(["a"], ["a"], settings=OFF) == [[], []]
