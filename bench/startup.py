"""The section of the container's start and of its memory at rest, from what bench/run saw.

Lines on standard input: `load WORDS`, `start MICROSECONDS` each time, `pss KILOBYTES COMMAND` for
each process at rest, and `mail …` for each when mail has passed. It must not measure anything.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

from bench.end_to_end.cost import process_name
from bench.markdown import table

_START, _HELD = 2.5, 150.0  # seconds; MB

_ABOUT = """\
From `docker start`, for volumes that a first start has filled and 10 accounts, to the line
`signpost ready`, as seen from outside, the engine's own work included; {count} starts, one after
the other. Memory is PSS, which divides what several share among them: two minutes after the last,
and when ten messages have passed each of both filters.

"""


@dataclass
class Seen:
    """Seconds of each start, the load before, bytes by process."""

    load: str = ""
    starts: list[float] = field(default_factory=list)
    memory: Counter[str] = field(default_factory=Counter)
    after_mail: Counter[str] = field(default_factory=Counter)


def read(lines: Iterable[str]) -> Seen:
    """What was seen."""
    seen = Seen()
    for line in lines:
        kind, _, rest = line.strip().partition(" ")
        if kind == "load":
            seen.load = rest
        elif kind == "start":
            seen.starts.append(int(rest) / 1e6)
        elif kind in ("pss", "mail"):
            size, _, command = rest.partition(" ")
            held = seen.memory if kind == "pss" else seen.after_mail
            if command.strip():
                held[process_name(command.strip())] += int(size) * 1_024
    return seen


def section(seen: Seen) -> str:
    """As Markdown."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    commit = os.environ.get("BENCH_COMMIT", "unknown")
    text = f"\n## Start, and memory at rest\n\n{now}, commit {commit},"
    text += f" load before {seen.load}.\n\n{_ABOUT.format(count=len(seen.starts))}"
    middle = median(seen.starts)
    rows = [
        [
            "start to `ready`, s",
            f"**{middle:.2f}** ({min(seen.starts):.2f}-{max(seen.starts):.2f})",
            f"≤ {_START}",
            _yes(middle <= _START),
        ],
        _held("memory at rest, MB", seen.memory),
        _held("when mail has passed, MB", seen.after_mail),
    ]
    text += table(["", "measured", "wanted", "reached"], rows) + "\n"
    processes = [
        [name, *(f"{held[name] / 1e6:.1f}" for held in (seen.memory, seen.after_mail))]
        for name, _ in (seen.memory | seen.after_mail).most_common()
    ]
    return text + table(["process", "at rest, MB", "when mail has passed, MB"], processes)


def _held(what: str, memory: Counter[str]) -> list[str]:
    held = sum(memory.values()) / 1e6
    return [what, f"**{held:.0f}**", f"≤ {_HELD:.0f}", _yes(held <= _HELD)]


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"


if __name__ == "__main__":
    print(section(read(sys.stdin)), end="")
