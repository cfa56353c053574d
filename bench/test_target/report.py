"""The results as Markdown. It must not measure anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.markdown import number, table
from bench.stuck import percentile
from bench.test_target.measures import CONNECTIONS, RATE, RUNS, Runs, Steady, Store
from bench.throughput import spread

MB = 1_000_000
_ANY_WORD = 0.050  # seconds of a search


@dataclass(frozen=True)
class Rival:
    """rates: messages a second, a number a round. ready: seconds. pss: bytes, at the
    end. cost: seconds of processor time a message.
    """

    title: str
    rates: list[float]
    ready: float
    pss: int
    cost: float


@dataclass(frozen=True)
class Results:
    """rivals: ours is the first."""

    ready: list[float]
    rivals: list[Rival]
    steady: Steady
    idle_waits: list[float]
    runs: Runs
    store: Store


def page(facts: Sequence[tuple[str, str]], found: Results) -> str:
    """The whole of it."""
    return "\n".join(
        [
            "# What the test target costs\n",
            table(["run", ""], [list(fact) for fact in facts]),
            "## The figures\n",
            _figures(found),
            f"The API is asked while {RATE} messages come in each second: the list, one run's, two"
            " searches, the latest message, a wait. Each message is signed with RSA-2048, and SPF,"
            " DKIM and DMARC are verified. Memory is the container's, each page counted once.\n",
            _meanwhile(found.steady),
            f"## {found.store.messages:,} messages of 4 KB\n",
            _searches(found.store),
            "First: nothing like it has been asked before; where one message is meant, the median"
            " of five of them. Again: the median of the next five; what has been found is"
            " remembered, and what is new is looked through.\n",
            "## Beside other mail catchers\n",
            _beside(found.rivals),
            f"{CONNECTIONS} connections, the same messages, as fast as they are taken; each in a"
            " container of its own, by turns. The others verify nothing and keep messages in"
            " memory or in a folder for the time that they run; Signpost's 250 comes when the"
            " verdict is known and the message is on file.\n",
        ]
    )


def _figures(found: Results) -> str:
    steady, store = found.steady, found.store
    waits = (*found.idle_waits, *steady.waits)
    slowest = max(store.searches.values(), key=lambda one: one.first)
    slow = [name for name, one in store.searches.items() if one.first > _ANY_WORD]
    one = store.searches["one message's word"]
    rows = [
        _row("ready, s (median of the starts)", median(found.ready), 3.0, "< 3"),
        _row(f"messages a second, of {RATE} sent", -steady.sent.rate, -0.98 * RATE, f"{RATE}"),
        _row("their verdict is pass", float(not steady.passed), 0.0, "yes", shown="yes"),
        _row("API meanwhile, p99, ms", 1e3 * percentile(steady.all_asked, 0.99), 100, "≤ 100"),
        _row("wait behind the 250, p99, ms", 1e3 * percentile(waits, 0.99), 50, "≤ 50"),
        _row("first page of the list, ms", 1e3 * median(store.pages), 20, "≤ 20"),
        _row("search for one message's word, ms", 1e3 * one.first, 50, "≤ 50"),
        _row("the slowest search, ms", 1e3 * slowest.first, 50, "≤ 50"),
        _row("memory with all of these, PSS, MB", store.pss / MB, 300, "< 300"),
        _row(
            f"{RUNS} runs at once: what a run saw of others",
            *(float(len(found.runs.wrong)), 0.0, "0"),
        ),
    ]
    text = table(["figure", "measured", "target", "reached"], rows)
    text += f"\n{RUNS} runs at once took {found.runs.took:.1f} s.\n"
    ours, cores = found.rivals[0].cost, os.cpu_count() or 1
    text += (
        f"A message takes the container {1e3 * ours:.2f} ms of processor time as fast as it goes:"
        f" {cores} cores that have nothing else to do would carry {cores / ours:.0f} a second, and"
        " the clients of this bench run on the same ones.\n"
    )
    if steady.sent.errors:
        text += f"{len(steady.sent.errors)} were not accepted, first: {steady.sent.errors[0]}.\n"
    if slow:
        text += f"Searches of more than 50 ms: {'; '.join(slow)}.\n"
    return text


def _row(title: str, value: float, most: float, target: str, shown: str = "") -> list[str]:
    good = value <= most
    measured = (shown if good else "no") if shown else number(abs(value))
    return [title, f"**{measured}**", target, "yes" if good else "**no**"]


def _meanwhile(steady: Steady) -> str:
    rows = [
        [name, *_percentiles(times)]
        for name, times in (
            ("a message, MAIL to 250", steady.sent.times),
            *steady.asked.items(),
            ("wait behind the 250", steady.waits),
        )
    ]
    return (
        table(["ms", "p50", "p99", "longest", "of"], rows)
        + f"\nCores in use: {steady.cpu:.2f}. Memory behind it: {steady.pss / MB:.0f} MB.\n"
    )


def _percentiles(times: list[float]) -> list[str]:
    found = (median(times), percentile(times, 0.99), max(times))
    return [*(f"{1e3 * value:.1f}" for value in found), f"{len(times):,}"]


def _searches(store: Store) -> str:
    rows = [
        [
            *(name, f"{one.matching:,}"),
            *(f"**{1e3 * one.first:.1f}**", f"{1e3 * median(one.again):.1f}"),
        ]
        for name, one in store.searches.items()
    ]
    return table(["search", "match", "first, ms", "again, ms"], rows)


def _beside(rivals: Sequence[Rival]) -> str:
    rows = []
    for rival in rivals:
        middle, lowest, highest = spread(rival.rates)
        ratios = [ours / other for ours, other in zip(rivals[0].rates, rival.rates, strict=True)]
        rows.append(
            [
                rival.title,
                f"**{number(middle)}** ({number(lowest)}-{number(highest)})",
                f"{median(ratios):.2f}",
                f"{1e3 * rival.cost:.2f}",
                f"{rival.ready:.1f}",
                f"{rival.pss / MB:.0f}",
            ]
        )
    head = ["", "messages a second", "Signpost's by it", "CPU, ms a message", "ready, s"]
    return table([*head, "PSS, MB"], rows)
