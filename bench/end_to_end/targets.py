"""What was to be reached, and whether it was. It must not know how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TypeVar

from bench.end_to_end.measure import Outcome
from bench.end_to_end.stacks import Signpost, Stack
from bench.end_to_end.traffic import KINDS, Traffic
from bench.stuck import percentile

MILLISECONDS = 1e3
# Arrived messages a second, ours by a peer's: what has to be, what is aimed at, what would be best.
FLOOR, AIM, BEST = 1.0, 1.25, 1.5
IDLE, BESIDE = 0.6, 0.3  # seconds, p99
_Value = TypeVar("_Value")


def of_stack(by_name: Mapping[str, _Value]) -> dict[str, _Value]:
    """Without what is not the stack's: the name server, the outside MX, who waits for orphans."""
    others = ("unbound", "docker-init", "docker-init > children", "bench.end_to_end.outside")
    return {name: value for name, value in by_name.items() if name not in others}


def ratios(outcome: Outcome, stack: type[Stack], traffic: Traffic) -> list[float]:
    """Ours by this one's, a round each; empty where there is nothing to compare."""
    ours = outcome.stacks.get(Signpost.name)
    if ours is None or stack is Signpost:
        return []
    theirs = outcome.stacks[stack.name].traffic[traffic.name].arrived
    pairs = zip(ours.traffic[traffic.name].arrived, theirs, strict=True)
    return [one / other for one, other in pairs]


def targets(stacks: Sequence[type[Stack]], outcome: Outcome) -> list[list[str]]:
    """Rows: what, measured, range of the rounds, wanted, reached."""
    rows = []
    for traffic in KINDS:
        for stack in stacks:
            if found := ratios(outcome, stack, traffic):
                rows.append(_throughput(f"{traffic.title}: arrived/s, by {stack.title}", found))
                rows.append(_delay(outcome, stack, traffic))
    if Signpost.name in outcome.stacks:
        for traffic in KINDS:
            told = outcome.stacks[Signpost.name].traffic[traffic.name].told
            if told:
                rows.append(_bound(f"{traffic.title}: dot to IDLE, p99", _all(told), IDLE))
    if outcome.logins is not None:
        rows.append(_bound("logins beside deliveries, p99", outcome.logins.logins, BESIDE))
        rows.append(_bound("deliveries beside logins, p99", outcome.logins.deliveries, BESIDE))
    return rows


def _throughput(title: str, found: Sequence[float]) -> list[str]:
    middle = median(found)
    reached = "**no**"
    for wanted, word in ((FLOOR, "the floor"), (AIM, "the aim"), (BEST, "all")):
        if middle >= wanted:
            reached = word
    measured, spread = f"**{middle:.2f}**", f"{min(found):.2f}-{max(found):.2f}"
    return [title, measured, spread, f"≥ {FLOOR}, {AIM}, {BEST}", reached]


def _delay(outcome: Outcome, stack: type[Stack], traffic: Traffic) -> list[str]:
    ours, theirs = (
        percentile(_all(outcome.stacks[name].traffic[traffic.name].delays), 0.99)
        for name in (Signpost.name, stack.name)
    )
    title = f"{traffic.title}: p99 of its delay, and that of {stack.title}"
    measured = f"**{MILLISECONDS * ours:.0f} ms**, {MILLISECONDS * theirs:.0f} ms"
    return [title, measured, "", "≤", _yes(ours <= theirs)]


def _bound(title: str, values: Sequence[float], wanted: float) -> list[str]:
    measured = percentile(values, 0.99)
    shown = f"**{MILLISECONDS * measured:.0f} ms**"
    return [title, shown, "", f"≤ {MILLISECONDS * wanted:.0f} ms", _yes(measured <= wanted)]


def _all(rounds: Sequence[Sequence[float]]) -> list[float]:
    return [value for one in rounds for value in one]


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"
