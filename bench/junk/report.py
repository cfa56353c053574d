"""The results as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.junk.contender import Cost
from bench.junk.curve import BUDGETS, Scored, at_budget, at_threshold, by_kind
from bench.markdown import table


class Result(NamedTuple):
    """One filter on one corpus with one seed."""

    contender: str
    corpus: str
    seed: int
    scored: list[Scored]
    threshold: float
    verdicts: list[bool] | None  # where it does not tell a threshold
    cost: Cost | None


def page(results: Sequence[Result], circumstances: str) -> str:
    """Tables in Markdown."""
    blocks = ["# Junk mail found, and ham misfiled", circumstances]
    for corpus in dict.fromkeys(result.corpus for result in results):
        own = [result for result in results if result.corpus == corpus]
        blocks += [f"## {corpus.capitalize()} corpus", _curve(own), _defaults(own), _kinds(own)]
    costs = [result for result in results if result.cost and result.corpus == "generated"]
    blocks += ["## Cost", _costs(costs)]
    return "\n\n".join(block.rstrip() for block in blocks) + "\n"


def _by_name(results: Sequence[Result]) -> dict[str, list[Result]]:
    names = dict.fromkeys(result.contender for result in results)
    return {name: [one for one in results if one.contender == name] for name in names}


def _curve(results: Sequence[Result]) -> str:
    rows = []
    for name, own in _by_name(results).items():
        cells = [name]
        for budget in BUDGETS.values():
            shares = [at_budget(one.scored, budget).spam for one in own]
            each = ", ".join(f"{share:.1%}" for share in shares)
            cells.append(f"**{sum(shares) / len(shares):.1%}** ({each})")
        rows.append(cells)
    head = ["Spam found, ham misfiled:", *BUDGETS]
    seeds = ", ".join(str(one.seed) for one in next(iter(_by_name(results).values())))
    return f"The threshold of each seed ({seeds}) is the best one.\n\n{table(head, rows)}"


def _defaults(results: Sequence[Result]) -> str:
    rows = []
    for name, own in _by_name(results).items():
        pairs = []
        for one in own:
            if one.verdicts is None:
                found = at_threshold(one.scored, one.threshold)
            else:
                judged = [
                    each._replace(score=float(junk))
                    for each, junk in zip(one.scored, one.verdicts, strict=True)
                ]
                found = at_threshold(judged, 0.5)
            pairs.append(f"{found.spam:.1%} / {found.ham:.2%}")
        rows.append([name, *pairs])
    head = ["With its defaults: spam found / ham misfiled"]
    head += [f"seed {one.seed}" for one in next(iter(_by_name(results).values()))]
    return table(head, rows)


def _kinds(results: Sequence[Result]) -> str:
    budget = BUDGETS["1 in 1,000"]
    columns = {}
    for name, own in _by_name(results).items():
        each = [
            by_kind(one.scored, at_budget(one.scored, budget).threshold, spam=True) for one in own
        ]
        columns[name] = {
            kind: [found[kind] for found in each if kind in found]
            for kind in dict.fromkeys(kind for found in each for kind in found)
        }
    kinds = sorted({kind for column in columns.values() for kind in column})
    rows = [
        [kind, *(f"{sum(column[kind]) / len(column[kind]):.0%}" for column in columns.values())]
        for kind in kinds
    ]
    return table(["Spam found at 1 in 1,000, by kind", *columns], rows)


def _costs(results: Sequence[Result]) -> str:
    rows = [
        [
            one.contender,
            f"{one.cost.lesson * 1000:.1f} ms",
            f"{one.cost.verdict * 1000:.1f} ms",
            f"{one.cost.memory / 2**20:.0f} MiB",
            f"{one.cost.stored / 2**20:.1f} MiB",
        ]
        for one in results
        if one.cost
    ]
    return table(["", "a lesson", "a verdict", "memory", "learned, stored"], rows)
