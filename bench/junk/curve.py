"""From scores to a trade-off: how much spam is found when so much ham may be misfiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# Of ham misfiled, as it is written in the report.
BUDGETS = {"none": 0.0, "1 in 1,000": 0.001, "1 in 200": 0.005, "1 in 50": 0.02}


class Scored(NamedTuple):
    """One message's score; the higher, the more like spam."""

    spam: bool
    score: float
    kind: str


class Found(NamedTuple):
    """Spam that is found above a threshold, and ham that is misfiled."""

    threshold: float
    spam: float
    ham: float


def at_budget(scored: Sequence[Scored], budget: float) -> Found:
    """The lowest threshold that misfiles no more than the budget. Only above it is junk."""
    ham = sorted((one.score for one in scored if not one.spam), reverse=True)
    allowed = int(budget * len(ham) + 1e-9)
    return at_threshold(scored, ham[allowed])


def at_threshold(scored: Sequence[Scored], threshold: float) -> Found:
    """What is junk above a threshold."""
    shares = []
    for spam in (True, False):
        own = [one.score > threshold for one in scored if one.spam == spam]
        shares.append(sum(own) / len(own))
    return Found(threshold, *shares)


def by_kind(scored: Sequence[Scored], threshold: float, *, spam: bool) -> dict[str, float]:
    """The share of each kind of one class that is junk above a threshold."""
    kinds: dict[str, list[bool]] = {}
    for one in scored:
        if one.spam == spam:
            kinds.setdefault(one.kind, []).append(one.score > threshold)
    return {kind: sum(hits) / len(hits) for kind, hits in sorted(kinds.items())}
