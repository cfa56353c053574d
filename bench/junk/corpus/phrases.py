"""What is said for a purpose: phrases by pool, from phrases/LANGUAGE.txt.

A topic knows only a part of each pool, so that held-out topics say some of it in other words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from bench.junk.corpus.draw import Draw

FOLDER = Path(__file__).parent / "phrases"
KNOWN = 0.75  # of a pool's phrases to a topic
# A third of the phrases is more of honest senders, a third more of the others; both use all.
LEANINGS = ((1.0, 0.05), (0.05, 1.0), (1.0, 1.0))
_choice = re.compile(r"\(([^()]*)\)")
_slot = re.compile(r"\{(\w+)\}")


@cache
def pools(language: str) -> dict[str, tuple[str, ...]]:
    """Every pool of a language."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in (FOLDER / f"{language}.txt").read_text("utf-8").splitlines():
        if re.fullmatch(r"\[\w+\]", line) and "{" not in line:
            name = line.strip("[]")
        elif line and not line.startswith("#"):
            found.setdefault(name, []).append(line)
    return {name: tuple(lines) for name, lines in found.items()}


@cache
def known(language: str, pool: str, topic: str) -> tuple[str, ...]:
    """The phrases of a pool that a topic uses."""
    lines = pools(language)[pool]
    mixed = Draw("wording", language, pool, topic).shuffled(lines)
    return tuple(mixed[: max(2, round(len(lines) * KNOWN))])


@cache
def leaning(language: str, line: str) -> tuple[float, float]:
    """How readily ham and spam say it."""
    return Draw("leaning", language, line).one(LEANINGS)


def say(draw: Draw, line: str, fill: Callable[[str], str]) -> str:
    """The phrase with its choices made and its slots filled in."""
    while (smaller := _choice.sub(lambda found: draw.one(found[1].split("|")), line)) != line:
        line = smaller
    return _slot.sub(lambda found: fill(found[1]), line)
